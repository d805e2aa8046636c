//! `sqltrail verify`: whether the trail is whole.
//!
//! Takes the trail's folder, prints each invariant and whether it holds. It changes nothing, and a recorder may
//! run meanwhile.

use std::path::Path;
use std::process::ExitCode;

use rusqlite::types::ValueRef;

use crate::exit::Exit;
use crate::output::{Format, Output};
use crate::verify::{self, invariant::Invariant};

/// Flags of `verify`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// How the result is written
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
}

const COLUMNS: [&str; 5] = ["invariant", "statement", "result", "seq", "detail"];

/// Checks the trail in `dir`; fails when something does not hold.
///
/// # Errors
/// What cannot be read, or printed.
pub fn run(args: &Args, dir: &Path) -> anyhow::Result<ExitCode> {
    let found = verify::run(dir)?;
    let mut output = Output::stdout();
    let mut rows = output.rows(args.format, COLUMNS.map(str::to_owned).into())?;
    for invariant in Invariant::ALL {
        let violation = found
            .iter()
            .find(|violation| violation.invariant == invariant);
        rows.row(&[
            ValueRef::Text(invariant.name().as_bytes()),
            ValueRef::Text(invariant.statement().as_bytes()),
            ValueRef::Text(if violation.is_some() {
                b"violated"
            } else {
                b"holds"
            }),
            violation
                .and_then(|violation| violation.seq)
                .map_or(ValueRef::Null, ValueRef::Integer),
            violation.map_or(ValueRef::Null, |violation| {
                ValueRef::Text(violation.detail.as_bytes())
            }),
        ])?;
    }
    rows.finish()?;
    Ok(if found.is_empty() {
        ExitCode::SUCCESS
    } else {
        Exit::Failed.into()
    })
}
