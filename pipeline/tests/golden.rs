//! Raw records of real servers, as the probes made them, through decode and assemble.
//!
//! `testdata/samples` holds for each sample what stood in the ring (`.ring`), what is to be known about the
//! server (`.json`) and the rows that are expected of it (`.jsonl`). `SQLTRAIL_BLESS=1` writes the rows anew;
//! `testdata/samples/record.py` says which statements ran.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use sqltrail::{
    assemble::{Assembler, Clock, Target},
    decode::decode,
    flow::{Event, Status},
};

/// Set to write what is expected.
const BLESS: &str = "SQLTRAIL_BLESS";

fn samples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/samples")
}

/// The records of a sample: each a `u32` length and its bytes.
fn records(mut ring: &[u8]) -> anyhow::Result<Vec<&[u8]>> {
    let mut records = Vec::new();
    while let Some((len, rest)) = ring.split_first_chunk() {
        let len = usize::try_from(u32::from_le_bytes(*len))?;
        let (record, rest) = rest.split_at_checked(len).context("cut short")?;
        records.push(record);
        ring = rest;
    }
    Ok(records)
}

/// What is to be known about the server of a sample.
#[derive(Deserialize)]
struct About {
    target: u32,
    engine: u32,
    version: Option<String>,
    tags: Vec<String>,
    boot_ns: u64,
    wall_ns: i64,
}

/// A sample's rows, from an assembler that is followed by another, which takes over what it knows,
/// after each number of records for which `ends` holds; so is one with every running statement shown.
fn events(path: &Path, ends: impl Fn(usize) -> bool) -> anyhow::Result<Vec<Event>> {
    let about: About = serde_json::from_slice(&fs::read(path)?)?;
    let ring = fs::read(path.with_extension("ring"))?;
    let clock = Clock::new(about.boot_ns, about.wall_ns);
    let target = Target {
        engine: about.engine,
        version: about.version,
        tags: about.tags,
    };
    let begin = |next_seq| {
        let mut assembler = Assembler::new("db1".to_owned(), next_seq, clock);
        assembler.add_target(about.target, target.clone());
        assembler
    };
    let mut assembler = begin(1);
    let mut kept = BTreeMap::new();
    let mut events: Vec<Event> = Vec::new();
    for (number, record) in records(&ring)?.into_iter().enumerate() {
        if ends(number) {
            assembler.running(i64::MAX, &mut events);
            take_completed(&mut assembler, &mut events);
            kept.extend(assembler.changed()?);
            assembler = begin(i64::try_from(events.len())? + 1);
            for (thread, state) in &kept {
                if let Some(state) = state {
                    assembler.restore(*thread, state)?;
                }
            }
        }
        assembler.record(&decode(record)?, &mut events);
        take_completed(&mut assembler, &mut events);
    }
    assembler.finish(&mut events);
    take_completed(&mut assembler, &mut events);
    Ok(events)
}

/// Puts rows that are finished in the places of those that were running.
fn take_completed(assembler: &mut Assembler, events: &mut [Event]) {
    for completed in assembler.take_completed() {
        let running = events.iter_mut().find(|event| event.seq == completed.seq);
        let running = running.expect("a completed row was given before");
        assert_eq!(running.status, Status::Running);
        *running = completed;
    }
}

/// A row as one line; what it does not have is left out.
fn line(event: &Event) -> String {
    let mut fields = Map::new();
    let mut add = |name: &str, value: Value| {
        if !value.is_null() {
            fields.insert(name.to_owned(), value);
        }
    };
    add("seq", json!(event.seq));
    add("message_seq", json!(event.message_seq));
    add("time", json!(event.time_us));
    add("kind", json!(event.kind.as_str()));
    add("command", json!(event.command));
    add("status", json!(event.status.as_str()));
    add("status_code", json!(event.status_code));
    add("sqlstate", json!(event.sqlstate));
    add("error_message", json!(event.error_message));
    add("rows_returned", json!(event.rows_returned));
    add("rows_affected", json!(event.rows_affected));
    add("duration_us", json!(event.duration_us));
    if let Some(text) = &event.text {
        add("text", json!(text.bytes.escape_ascii().to_string()));
        add("text_len", json!(text.len));
        add("truncated", json!(text.truncated));
    }
    if let Some(session) = &event.session {
        add(
            "server",
            json!([session.db_system_name, session.server_version]),
        );
        add("server_pid", json!(session.server_pid));
        add("session_id", json!(session.session_id));
        add("db_user", json!(session.db_user));
        add("db_namespace", json!(session.db_namespace));
        add("client_address", json!(session.client_address));
        add("client_port", json!(session.client_port));
        add("application_name", json!(session.application_name));
    }
    Value::Object(fields).to_string()
}

#[test]
fn samples_give_the_rows_that_are_expected() -> anyhow::Result<()> {
    let mut count = 0;
    for entry in fs::read_dir(samples())? {
        let path = entry?.path();
        if path.extension().is_none_or(|extension| extension != "json") {
            continue;
        }
        count += 1;
        let name = path.display().to_string();
        let events = events(&path, |_| false).with_context(|| name.clone())?;
        for (event, seq) in events.iter().zip(1..) {
            assert_eq!(event.seq, seq, "{name}");
        }
        let rows: Vec<String> = events.iter().map(line).collect();
        let expected = path.with_extension("jsonl");
        if std::env::var_os(BLESS).is_some() {
            fs::write(&expected, rows.join("\n") + "\n")?;
        }
        let expected = fs::read_to_string(&expected).with_context(|| name.clone())?;
        assert_eq!(rows, expected.lines().collect::<Vec<_>>(), "{name}");
    }
    assert!(count > 0, "no samples in {}", samples().display());
    Ok(())
}

/// A row without its numbers: one that was shown while it ran may stand before others.
fn unnumbered(event: &Event) -> String {
    let whole = Event {
        seq: 0,
        message_seq: 0,
        ..event.clone()
    };
    line(&whole)
}

#[test]
fn an_interruption_anywhere_changes_no_row() -> anyhow::Result<()> {
    for entry in fs::read_dir(samples())? {
        let path = entry?.path();
        if path.extension().is_none_or(|extension| extension != "json") {
            continue;
        }
        let name = path.display().to_string();
        let sorted = |events: &[Event]| {
            let mut rows: Vec<String> = events.iter().map(unnumbered).collect();
            rows.sort_unstable();
            rows
        };
        let expected = sorted(&events(&path, |_| false)?);
        let records = records(&fs::read(path.with_extension("ring"))?)?.len();
        for cut in 0..records {
            let rows = events(&path, |number| number == cut)?;
            assert_eq!(sorted(&rows), expected, "{name}, cut before record {cut}");
        }
        let rows = events(&path, |_| true)?;
        for (event, seq) in rows.iter().zip(1..) {
            assert_eq!(event.seq, seq, "{name}");
        }
        assert_eq!(sorted(&rows), expected, "{name}, cut everywhere");
    }
    Ok(())
}
