//! `sqltrail status`: how recording goes, as the recorder stored it beside its rows.

use std::{path::Path, process::ExitCode};

use rusqlite::types::Value;

use crate::{
    exit::Exit,
    health::{Snapshot, Spread, Trail},
    output::{Format, Output},
    store::{files::lock_holder, health, reader::Reader, standing::last_heard},
    time::{now_us, shown},
};

/// How long a recorder may say nothing, microseconds: it stores at least every ten seconds that it lives.
const SILENT_US: i64 = 30_000_000;

/// Says how recording goes; fails when nothing is recorded.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// How to print
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
}

/// What a recorder is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Recording,
    /// It runs, and nothing was stored for [`SILENT_US`], or nothing is read: the disk, mostly.
    HeldUp,
    /// None runs.
    Stopped,
}

impl State {
    fn of(holder: Option<u32>, heard_us: i64, reading_stopped: bool, now_us: i64) -> Self {
        match holder {
            None => Self::Stopped,
            Some(_) if reading_stopped => Self::HeldUp,
            Some(_) if now_us.saturating_sub(heard_us) > SILENT_US => Self::HeldUp,
            Some(_) => Self::Recording,
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::Recording => "recording",
            Self::HeldUp => "held up",
            Self::Stopped => "not recording",
        }
    }
}

/// Runs the command on the trail in `dir`.
///
/// # Errors
///
/// No trail, what SQLite says, or when nothing can be printed.
pub fn run(args: &Args, dir: &Path) -> anyhow::Result<ExitCode> {
    let reader = Reader::open(dir)?;
    let now_us = now_us();
    let heard_us = last_heard(reader.connection(), reader.path())?;
    let snapshot = health::read(reader.connection(), reader.path())?;
    let trail = health::measure(reader.connection(), dir)?;
    let reading_stopped = snapshot
        .as_ref()
        .is_some_and(|snapshot| snapshot.disk.reading_stopped);
    let state = State::of(
        lock_holder(dir),
        heard_us.unwrap_or(0),
        reading_stopped,
        now_us,
    );

    let mut facts = Facts::default();
    facts.text("state", state.as_str());
    if let Some(heard_us) = heard_us {
        facts.text("last_stored", &shown(heard_us));
        facts.number(
            "last_stored_ago",
            now_us.saturating_sub(heard_us) / 1_000_000,
            "s",
        );
    }
    if let Some(snapshot) = snapshot {
        facts.recorder(&snapshot);
    }
    facts.trail(&trail);

    let mut output = Output::stdout();
    let mut rows = output.rows(args.format, COLUMNS.map(str::to_owned).to_vec())?;
    for (name, value, unit) in &facts.0 {
        let (name, unit) = (Value::Text(name.clone()), Value::Text((*unit).to_owned()));
        rows.row(&[(&name).into(), value.into(), (&unit).into()])?;
    }
    rows.finish()?;
    Ok(if state == State::Recording {
        ExitCode::SUCCESS
    } else {
        Exit::Failed.into()
    })
}

const COLUMNS: [&str; 3] = ["name", "value", "unit"];

/// What is printed, in order.
#[derive(Debug, Default)]
struct Facts(Vec<(String, Value, &'static str)>);

impl Facts {
    fn text(&mut self, name: &str, value: &str) {
        self.0
            .push((name.to_owned(), Value::Text(value.to_owned()), ""));
    }

    fn number(&mut self, name: &str, value: i64, unit: &'static str) {
        self.0.push((name.to_owned(), Value::Integer(value), unit));
    }

    fn count(&mut self, name: &str, value: u64, unit: &'static str) {
        self.number(name, i64::try_from(value).unwrap_or(i64::MAX), unit);
    }

    fn recorder(&mut self, now: &Snapshot) {
        self.text("version", &now.version);
        self.number("pid", now.pid.into(), "");
        self.text("started", &shown(now.started_us));
        for server in &now.servers {
            let server = [&server.system, &server.version, &server.exe].map(String::as_str);
            self.text("server", &server.join(" "));
        }
        for (kind, count) in &now.rows {
            self.count(&format!("events_{kind}"), *count, "rows");
        }
        self.count("lost", now.lost_total(), "events");
        for (reason, count) in &now.lost {
            self.count(&format!("lost_{reason}"), *count, "events");
        }
        self.count("ring_size", now.ring.bytes, "bytes");
        self.count("ring_used", now.ring.used, "bytes");
        self.count("ring_used_max", now.ring.used_max, "bytes");
        self.number("lag_max", now.lag_max_us, "us");
        self.count("commits", now.commits.time_us.count, "");
        self.count("failed_commits", now.commits.failed, "");
        self.spread("commit", &now.commits.time_us, "us");
        self.spread("batch", &now.commits.rows, "rows");
        if !now.disk.stage.is_empty() {
            self.text("disk", &now.disk.stage);
            self.number("disk_free", now.disk.free_bytes, "bytes");
        }
        if now.disk.reading_stopped {
            self.text("reading", "stopped, the disk is full");
        }
        if let Some(since_us) = now.wal_held_since_us {
            self.text("wal_held_since", &shown(since_us));
        }
        self.count("errors", now.errors, "");
        if let Some(error) = &now.last_error {
            self.text("last_error", &error.message);
            self.text("last_error_time", &shown(error.at_us));
        }
    }

    fn spread(&mut self, name: &str, spread: &Spread, unit: &'static str) {
        let count = i64::try_from(spread.count).unwrap_or(i64::MAX);
        if count > 0 {
            self.number(&format!("{name}_mean"), spread.sum / count, unit);
            self.number(&format!("{name}_max"), spread.max, unit);
        }
    }

    fn trail(&mut self, trail: &Trail) {
        for (state, count) in &trail.segments {
            self.number(&format!("segments_{state}"), *count, "");
        }
        self.number("database_rows", trail.rows, "rows");
        self.number("database_size", trail.database_bytes, "bytes");
        self.number("wal_size", trail.wal_bytes, "bytes");
        self.number("archive_files", trail.archive_files, "");
        self.number("archive_rows", trail.archive_rows, "rows");
        self.number("archive_size", trail.archive_bytes, "bytes");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recorder_that_stores_nothing_for_long_is_held_up() {
        let now = 100_000_000;
        let cases = [
            (None, now, true, State::Stopped),
            (Some(7), now, false, State::Recording),
            (Some(7), now, true, State::HeldUp),
            (Some(7), now - SILENT_US, false, State::Recording),
            (Some(7), now - SILENT_US - 1, false, State::HeldUp),
            // The clock was set back.
            (Some(7), now + 5_000_000, false, State::Recording),
        ];
        for (holder, heard, stopped, expected) in cases {
            assert_eq!(
                State::of(holder, heard, stopped, now),
                expected,
                "{holder:?} {heard}"
            );
        }
    }
}
