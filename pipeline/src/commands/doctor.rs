//! `sqltrail doctor`

use std::process::ExitCode;

use capture::doctor::{self, State};
use rusqlite::types::ValueRef;

use crate::{
    exit::Exit,
    output::{Format, Output},
};

/// Says whether this machine and its servers can be recorded, and what each lacks.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// How to print
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
}

const COLUMNS: [&str; 4] = ["state", "check", "detail", "hint"];

/// Runs the command; fails when something keeps everything from being recorded.
///
/// # Errors
///
/// When nothing can be printed.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let checks = doctor::report();
    let mut output = Output::stdout();
    let mut rows = output.rows(args.format, COLUMNS.map(str::to_owned).to_vec())?;
    for check in &checks {
        let state = match check.state {
            State::Ok => "ok",
            State::Warn => "warn",
            State::Fail => "FAIL",
        };
        let values = [
            state,
            &check.name,
            &check.detail,
            check.hint.as_deref().unwrap_or_default(),
        ];
        rows.row(&values.map(|value| ValueRef::Text(value.as_bytes())))?;
    }
    rows.finish()?;
    let failed = checks.iter().any(|check| check.state == State::Fail);
    Ok(if failed {
        Exit::Failed.into()
    } else {
        ExitCode::SUCCESS
    })
}
