//! `sqltrail doctor`

use std::process::ExitCode;

use capture::doctor::{self, Check, State};
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
    print(&checks, args.format)?;
    let failed = checks.iter().any(|check| check.state == State::Fail);
    Ok(if failed {
        Exit::Failed.into()
    } else {
        ExitCode::SUCCESS
    })
}

/// Prints checks, a row each.
///
/// # Errors
///
/// When nothing can be printed.
pub(super) fn print(checks: &[Check], format: Format) -> anyhow::Result<()> {
    let mut output = Output::stdout();
    let mut rows = output.rows(format, COLUMNS.map(str::to_owned).to_vec())?;
    for check in checks {
        let state = match check.state {
            State::Ok => "ok",
            State::Warn => "warn",
            State::Fail => "FAIL",
        };
        let hint = check.hint.as_deref().unwrap_or_default();
        let values = [state, &check.name, &check.detail, hint];
        rows.row(&values.map(|value| ValueRef::Text(value.as_bytes())))?;
    }
    Ok(rows.finish()?)
}
