//! `sqltrail retain`: segments go that the limits let go, now.
//!
//! Takes the trail's folder and the configuration, prints what goes, or would. A recorder that runs does the same
//! by itself.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use rusqlite::types::{Value, ValueRef};

use super::hold::user;
use crate::config::{Source, load};
use crate::output::{Format, Output};
use crate::retain::{
    self, RetainError,
    plan::{Limits, Step},
};
use crate::store::{catalog::Catalog, notices, reader::Reader};
use crate::time::{now_us, shown};

/// Flags of `retain`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Configuration with the limits [default: /etc/sqltrail/sqltrail.toml, if it is there]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Change nothing, print what would go
    #[arg(long)]
    dry_run: bool,
    /// Who says so, for the tombstones [default: this user]
    #[arg(long, value_name = "NAME")]
    by: Option<String>,
    /// How the list of segments is written
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
}

const COLUMNS: [&str; 9] = [
    "action",
    "segment",
    "first_seq",
    "last_seq",
    "rows",
    "from",
    "to",
    "bytes",
    "reason",
];

/// Lets go what the limits say of the trail in `dir`.
///
/// # Errors
/// The first thing that did not go; everything else went and is printed.
pub fn run(args: &Args, dir: &Path) -> anyhow::Result<ExitCode> {
    let config = load(&Source::new(args.config.clone()), |_| {})?;
    let limits = config.limits();
    if limits == Limits::default() {
        tracing::warn!("no limit is set, so everything is kept");
        tracing::warn!("hint: set hot_age, hot_bytes, total_age or total_bytes in [retention]");
    }
    let now = now_us();
    if args.dry_run {
        let reader = Reader::open(dir)?;
        let steps = retain::look(reader.connection(), reader.path(), &limits, now)?;
        print(args.format, &steps)?;
        return Ok(ExitCode::SUCCESS);
    }
    let by = args.by.clone().unwrap_or_else(user);
    let by = format!("{by}, configuration {}", config.sha256());
    let mut catalog = Catalog::open(dir)?;
    let outcome = retain::run(dir, &mut catalog, &limits, &by, now)?;
    notices::tell(dir, now)?;
    print(args.format, &outcome.done)?;
    first(outcome.failed).map_or(Ok(ExitCode::SUCCESS), |error| Err(error.into()))
}

/// The first error; the others are told.
fn first(failed: Vec<RetainError>) -> Option<RetainError> {
    let mut failed = failed.into_iter();
    let first = failed.next();
    for error in failed {
        tracing::error!("{:#}", anyhow::Error::new(error));
    }
    first
}

fn print(format: Format, steps: &[Step]) -> anyhow::Result<()> {
    let mut output = Output::stdout();
    let mut rows = output.rows(format, COLUMNS.map(str::to_owned).into())?;
    for step in steps {
        let values = [
            Value::Text(step.deed.as_str().to_owned()),
            Value::Integer(step.segment_id),
            Value::Integer(step.span.first_seq),
            Value::Integer(step.span.last_seq),
            Value::Integer(step.rows),
            Value::Text(shown(step.span.first_time_us)),
            Value::Text(shown(step.span.last_time_us)),
            Value::Integer(step.bytes),
            Value::Text(step.reason.as_str().to_owned()),
        ];
        rows.row(&values.each_ref().map(ValueRef::from))?;
    }
    Ok(rows.finish()?)
}
