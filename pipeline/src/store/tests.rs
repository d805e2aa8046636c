//! What the tests of the store share: made-up events, and the rows as a reader sees them.

mod failure;
mod held;
mod model;
mod opening;
mod segments;
mod standing;
mod text;

use std::path::Path;
use std::sync::Arc;

use rusqlite::types::Value;

use super::reader::Reader;
use super::{Options, Store, Sync};
use crate::flow::{Batch, Dialect, Event, Kind, RingPosition, Session, Status, Text};

/// A time to count from: 2026-11-22T01:05:51.123456Z.
const NOW: i64 = 1_795_309_551_123_456;

/// Durability is not what these tests are about, and costs most of their time.
fn options() -> Options {
    Options {
        sync: Sync::Normal,
        ..Options::default()
    }
}

fn open(dir: &Path) -> Store {
    Store::open(dir, options(), NOW).unwrap()
}

fn session(user: &str, dialect: Dialect) -> Arc<Session> {
    Arc::new(Session {
        db_system_name: "postgresql".to_owned(),
        server_version: Some("15.18".to_owned()),
        host_name: "box".to_owned(),
        server_pid: 42,
        session_id: "66a1.2a".to_owned(),
        db_user: Some(user.to_owned()),
        db_namespace: Some("shop".to_owned()),
        client_address: Some("10.0.0.7".to_owned()),
        client_port: Some(50_123),
        application_name: None,
        dialect,
    })
}

/// A statement of that text.
fn query(seq: i64, text: impl AsRef<[u8]>) -> Event {
    let bytes = text.as_ref().to_vec();
    Event {
        session: Some(session("alice", Dialect::Postgres)),
        text: Some(Text {
            len: bytes.len() as u64,
            bytes,
            truncated: false,
        }),
        status: Status::Ok,
        ..Event::new(seq, NOW + seq, Kind::Query, "simple")
    }
}

/// A row of the recorder's own.
fn lifecycle(seq: i64, command: &'static str) -> Event {
    Event::new(seq, NOW + seq, Kind::Lifecycle, command)
}

fn batch(events: Vec<Event>) -> Batch {
    Batch { events, ring: None }
}

fn batch_to(events: Vec<Event>, position: u64) -> Batch {
    Batch {
        events,
        ring: Some(RingPosition {
            ring_id: "ring-a".to_owned(),
            position,
        }),
    }
}

/// Every row that a query gives.
fn rows(dir: &Path, sql: &str) -> Vec<Vec<Value>> {
    let reader = Reader::open(dir).unwrap();
    let mut statement = reader.connection().prepare(sql).unwrap();
    let width = statement.column_count();
    statement
        .query_map([], |row| (0..width).map(|column| row.get(column)).collect())
        .unwrap()
        .collect::<rusqlite::Result<_>>()
        .unwrap()
}

/// The first column of every row, a number.
fn numbers(dir: &Path, sql: &str) -> Vec<i64> {
    rows(dir, sql)
        .into_iter()
        .map(|row| match row[..] {
            [Value::Integer(number)] => number,
            _ => panic!("not one number: {row:?}"),
        })
        .collect()
}

/// The first column of every row, a text.
fn words(dir: &Path, sql: &str) -> Vec<String> {
    rows(dir, sql)
        .into_iter()
        .map(|mut row| match row.pop() {
            Some(Value::Text(word)) => word,
            other => panic!("not a text: {other:?}"),
        })
        .collect()
}

/// The exact bytes of every statement, in order.
fn texts(dir: &Path) -> Vec<Vec<u8>> {
    rows(dir, "SELECT coalesce(db_query_raw, CAST(db_query_text AS BLOB)) FROM events WHERE kind = 'query' ORDER BY seq")
        .into_iter()
        .map(|mut row| match row.pop() {
            Some(Value::Blob(bytes)) => bytes,
            other => panic!("not bytes: {other:?}"),
        })
        .collect()
}

/// All that every table holds.
fn dump(dir: &Path) -> Vec<(String, Vec<Vec<Value>>)> {
    words(dir, "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name")
        .into_iter()
        .map(|table| {
            let content = rows(dir, &format!("SELECT * FROM {table} ORDER BY 1"));
            (table, content)
        })
        .collect()
}

/// What the system's own sqlite3 prints; none, said aloud, where there is none.
fn system_sqlite3(dir: &Path, sql: &str) -> Option<String> {
    let database = dir.join("audit.db");
    match std::process::Command::new("sqlite3")
        .args(["-readonly", "-batch", "-list"])
        .arg(database)
        .arg(sql)
        .output()
    {
        Ok(output) => {
            assert!(
                output.status.success(),
                "{}",
                String::from_utf8_lossy(&output.stderr)
            );
            Some(String::from_utf8(output.stdout).unwrap())
        }
        Err(error) => {
            eprintln!("not run: sqlite3 cannot be started: {error}");
            None
        }
    }
}
