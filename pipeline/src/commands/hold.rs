//! `sqltrail hold`: times whose rows are not removed, whatever the limits say.
//!
//! Takes the trail's folder, changes or prints its holds. Each change is a row of the trail.

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context as _, ensure};
use chrono::NaiveDate;
use rusqlite::types::{Value, ValueRef};

use crate::compact::plan::DAY_US;
use crate::output::{Format, Output};
use crate::query::parameter::time_us;
use crate::store::error::sqlite;
use crate::store::holds::{self, Change, Hold};
use crate::store::{catalog::Catalog, notices, reader::Reader};
use crate::time::{now_us, shown};

/// What to do with holds.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Keep the rows of a time, whatever the limits say
    Add {
        /// First moment, as 2026-11-22, 2026-11-22T01:05:51Z, or -7d for that long ago
        #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
        from: String,
        /// Last moment; a date is meant to its end
        #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
        to: String,
        /// Why
        #[arg(long, value_name = "TEXT")]
        reason: String,
        /// Who wants it [default: this user]
        #[arg(long, value_name = "NAME")]
        by: Option<String>,
    },
    /// List all holds, also those that are released
    List {
        /// How the list is written
        #[arg(long, value_enum, default_value_t = Format::Table)]
        format: Format,
    },
    /// Keep them no longer
    Release {
        /// Number of the hold
        #[arg(value_name = "ID")]
        id: i64,
        /// Why
        #[arg(long, value_name = "TEXT")]
        reason: String,
        /// Who wants it [default: this user]
        #[arg(long, value_name = "NAME")]
        by: Option<String>,
    },
}

const COLUMNS: [&str; 10] = [
    "hold",
    "state",
    "from",
    "to",
    "reason",
    "by",
    "since",
    "released",
    "released_by",
    "release_reason",
];

/// Runs the command on the trail in `dir`.
///
/// # Errors
/// A time that is none, a hold that is not in force, or what SQLite says; nothing is changed then.
pub fn run(args: &Args, dir: &Path) -> anyhow::Result<ExitCode> {
    let now = now_us();
    match &args.what {
        What::Add {
            from,
            to,
            reason,
            by,
        } => {
            let (from_us, to_us) = (moment(from, now)?, last_moment(to, now)?);
            ensure!(from_us <= to_us, "--from {from} is after --to {to}");
            let placed = change(reason, by.as_deref(), now);
            let id = Catalog::open(dir)?.add_hold(from_us, to_us, &placed)?;
            notices::tell(dir, now)?;
            print(dir, Format::Table, Some(id))?;
        }
        What::List { format } => print(dir, *format, None)?,
        What::Release { id, reason, by } => {
            let released = change(reason, by.as_deref(), now);
            Catalog::open(dir)?.release_hold(*id, &released)?;
            notices::tell(dir, now)?;
            print(dir, Format::Table, Some(*id))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn change(reason: &str, by: Option<&str>, now_us: i64) -> Change {
    Change {
        reason: reason.to_owned(),
        by: by.map_or_else(user, str::to_owned),
        at_us: now_us,
    }
}

fn moment(word: &str, now_us: i64) -> anyhow::Result<i64> {
    time_us(word, now_us).with_context(|| {
        format!("`{word}` is not a time (2026-11-22, 2026-11-22T01:05:51Z, or -2h, -7d for that long ago)")
    })
}

/// The last microsecond that is meant: of a date, that of its day.
fn last_moment(word: &str, now_us: i64) -> anyhow::Result<i64> {
    let start = moment(word, now_us)?;
    let is_date = NaiveDate::parse_from_str(word, "%Y-%m-%d").is_ok();
    Ok(if is_date { start + DAY_US - 1 } else { start })
}

/// Who runs this: the user behind `sudo`, or the process's own.
pub(super) fn user() -> String {
    ["SUDO_USER", "USER", "LOGNAME"]
        .into_iter()
        .find_map(|name| std::env::var(name).ok().filter(|user| !user.is_empty()))
        .unwrap_or_else(|| format!("uid {}", rustix::process::getuid().as_raw()))
}

/// Prints the holds, or one of them.
fn print(dir: &Path, format: Format, only: Option<i64>) -> anyhow::Result<()> {
    let reader = Reader::open(dir)?;
    let holds =
        holds::list(reader.connection()).map_err(sqlite(reader.path(), "list the holds"))?;
    let mut output = Output::stdout();
    let mut rows = output.rows(format, COLUMNS.map(str::to_owned).into())?;
    for hold in holds
        .iter()
        .filter(|hold| only.is_none_or(|id| id == hold.hold_id))
    {
        rows.row(&values(hold).each_ref().map(ValueRef::from))?;
    }
    Ok(rows.finish()?)
}

/// What is shown of a hold, in the order of [`COLUMNS`].
fn values(hold: &Hold) -> [Value; COLUMNS.len()] {
    let text = |text: &str| Value::Text(text.to_owned());
    let released = |fact: fn(&Change) -> String| {
        hold.released
            .as_ref()
            .map_or(Value::Null, |change| Value::Text(fact(change)))
    };
    [
        Value::Integer(hold.hold_id),
        text(if hold.released.is_none() {
            "in force"
        } else {
            "released"
        }),
        Value::Text(shown(hold.from_us)),
        Value::Text(shown(hold.to_us)),
        text(&hold.placed.reason),
        text(&hold.placed.by),
        Value::Text(shown(hold.placed.at_us)),
        released(|change| shown(change.at_us)),
        released(|change| change.by.clone()),
        released(|change| change.reason.clone()),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_is_held_to_its_end() {
        let check = |word: &str, expected: &str| {
            assert_eq!(shown(last_moment(word, 0).unwrap()), expected, "{word}");
        };
        check("2026-11-22", "2026-11-22T23:59:59.999999Z");
        check("2026-11-22T12:00:00Z", "2026-11-22T12:00:00.000000Z");
        assert!(moment("soon", 0).is_err());
    }
}
