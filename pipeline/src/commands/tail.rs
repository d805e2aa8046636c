//! `sqltrail tail`: the newest events, and those to come.
//!
//! Takes the trail's folder, prints one line for each event. Rows are asked for by `seq`, which has no
//! gaps and is committed in order, so that none is missed and none comes twice.

use std::fmt::Write as _;
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use rusqlite::Row;
use rusqlite::types::ValueRef;
use schema::sqlite::view_columns;

use crate::output::Output;
use crate::store::error::{StoreError, sqlite};
use crate::store::reader::Reader;

/// Events shown by default.
pub const LINES: u32 = 20;

/// How often new rows are asked for: an event is visible to readers within 500 ms, and a question that
/// finds nothing costs well under a millisecond.
pub const POLL_INTERVAL: Duration = Duration::from_millis(200);

/// Rows asked for at once, so that a long past does not have to be held in memory.
const PAGE_ROWS: i64 = 1000;

/// How events are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// One line for people; control characters escaped.
    Text,
    /// One JSON object with every column.
    Json,
}

/// Flags of `tail`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// How many of the newest events
    #[arg(short = 'n', long, default_value_t = LINES)]
    lines: u32,
    /// Go on with new events as they are stored
    #[arg(short, long)]
    follow: bool,
    /// How events are written
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

/// Shows the newest events of the trail in `dir`; with `--follow` it ends when it is interrupted or
/// nobody reads any more.
///
/// # Errors
/// No trail, or what SQLite says.
pub fn run(args: &Args, dir: &Path) -> anyhow::Result<ExitCode> {
    let reader = Reader::open(dir)?;
    let mut output = Output::stdout();
    let mut follower = Follower::behind(&reader, args.lines.into())?;
    loop {
        let shown = follower.advance(&reader, &mut output, args.format)?;
        output.flush()?;
        match (shown == PAGE_ROWS, args.follow) {
            (true, _) => {}
            (false, true) => std::thread::sleep(POLL_INTERVAL),
            (false, false) => return Ok(ExitCode::SUCCESS),
        }
    }
}

/// A place in the trail.
#[derive(Debug)]
struct Follower {
    /// The last row that was shown.
    seq: i64,
}

impl Follower {
    /// The place before the last `count` events.
    fn behind(reader: &Reader, count: i64) -> Result<Self, StoreError> {
        let last: i64 = reader
            .connection()
            .query_row(
                "SELECT coalesce(max(last_seq), 0) FROM segments",
                [],
                |row| row.get(0),
            )
            .map_err(sqlite(reader.path(), "find the newest event"))?;
        Ok(Self {
            seq: (last - count).max(0),
        })
    }

    /// Shows what follows, at most [`PAGE_ROWS`]; gives how many rows that was.
    fn advance<W: Write>(
        &mut self,
        reader: &Reader,
        output: &mut Output<W>,
        format: Format,
    ) -> anyhow::Result<i64> {
        let failed = || sqlite(reader.path(), "read new events");
        let columns: Vec<&str> = match format {
            Format::Text => TEXT_COLUMNS.to_vec(),
            Format::Json => view_columns().collect(),
        };
        let sql = format!(
            "SELECT seq, {} FROM events WHERE seq > ?1 ORDER BY seq LIMIT ?2",
            columns.join(", ")
        );
        let mut statement = reader.connection().prepare_cached(&sql).map_err(failed())?;
        let mut rows = statement.query([self.seq, PAGE_ROWS]).map_err(failed())?;
        let mut shown = 0;
        while let Some(row) = rows.next().map_err(failed())? {
            let seq: i64 = row.get(0).map_err(failed())?;
            if seq > self.seq + 1 {
                tracing::warn!(
                    first = self.seq + 1,
                    last = seq - 1,
                    "events are no longer in SQLite"
                );
            }
            match format {
                Format::Text => output.line(&line(row).map_err(failed())?)?,
                Format::Json => {
                    let values = (1..=columns.len()).map(|index| row.get_ref(index));
                    let values = values
                        .collect::<rusqlite::Result<Vec<ValueRef<'_>>>>()
                        .map_err(failed())?;
                    output.json(&columns, &values)?;
                }
            }
            self.seq = seq;
            shown += 1;
        }
        Ok(shown)
    }
}

/// What a line of text is made of; places as in [`line`], from 1.
const TEXT_COLUMNS: [&str; 15] = [
    "time_text",
    "kind",
    "command",
    "db_system_name",
    "db_user",
    "db_namespace",
    "client_address",
    "status",
    "status_code",
    "rows_returned",
    "rows_affected",
    "duration_us",
    "repeat_count",
    "error_message",
    "db_query_text",
];

/// `TIME SYSTEM USER@DATABASE from CLIENT: STATUS, ROWS, DURATION: TEXT`
fn line(row: &Row<'_>) -> rusqlite::Result<String> {
    let text = |place: usize| {
        row.get_ref(place)
            .and_then(|value| Ok(value.as_str_or_null()?))
    };
    let number = |place: usize| row.get::<_, Option<i64>>(place);
    let mut line = text(1)?.unwrap_or_default().to_owned();
    // Writing to a String cannot fail.
    let mut add = |part: std::fmt::Arguments<'_>| line.write_fmt(part).unwrap_or_default();

    let kind = text(2)?.unwrap_or_default();
    if kind != "query" {
        add(format_args!(" {kind} {}", text(3)?.unwrap_or_default()));
    }
    if let Some(system) = text(4)? {
        let user = name(text(5)?);
        add(format_args!(
            " {system} {user}@{} from {}",
            name(text(6)?),
            name(text(7)?)
        ));
    }
    if kind == "query" {
        add(format_args!(": {}", text(8)?.unwrap_or_default()));
    }
    if let Some(code) = text(9)? {
        add(format_args!(" {code}"));
    }
    if let Some(rows) = number(10)? {
        add(format_args!(", {rows} rows"));
    }
    if let Some(rows) = number(11)? {
        add(format_args!(", {rows} changed"));
    }
    if let Some(us) = number(12)? {
        add(format_args!(", {}.{:03} ms", us / 1000, us % 1000));
    }
    if let Some(count @ 2..) = number(13)? {
        add(format_args!(", {count} times"));
    }
    for part in [text(14)?, text(15)?].into_iter().flatten() {
        add(format_args!(": {part}"));
    }
    Ok(line)
}

/// A name that cannot be taken for another part of the line: quoted when it has anything but usual characters.
fn name(name: Option<&str>) -> String {
    let name = name.unwrap_or("?");
    let usual = |character: char| character.is_alphanumeric() || "_-.:?%/".contains(character);
    if !name.is_empty() && name.chars().all(usual) {
        name.to_owned()
    } else {
        serde_json::Value::from(name).to_string()
    }
}

#[cfg(test)]
mod tests;
