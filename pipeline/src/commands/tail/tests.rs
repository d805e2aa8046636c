//! Lines as they are shown, and a trail that grows while it is followed.

use std::sync::Arc;

use super::*;
use crate::flow::{Batch, Dialect, Event, Kind, Session, Status, Text};
use crate::store::segment::Limits;
use crate::store::{Options, Store};

/// 2026-11-22T01:05:51.123456Z.
const TIME_US: i64 = 1_795_309_551_123_456;

fn event(seq: i64, text: &str) -> Event {
    let session = Session {
        db_system_name: "postgresql".into(),
        server_version: None,
        host_name: "db1".into(),
        server_pid: 7,
        session_id: "1.7".into(),
        db_user: Some("alice".into()),
        db_namespace: Some("shop".into()),
        client_address: Some("192.0.2.7".into()),
        client_port: None,
        application_name: None,
        dialect: Dialect::Postgres,
    };
    Event {
        session: Some(Arc::new(session)),
        text: Some(Text {
            bytes: text.into(),
            len: text.len() as u64,
            truncated: false,
        }),
        ..Event::new(seq, TIME_US + seq, Kind::Query, "simple")
    }
}

fn append(store: &mut Store, events: Vec<Event>) {
    store.append(&Batch { events, ring: None }, 1).unwrap();
}

fn advance(follower: &mut Follower, reader: &Reader, format: Format) -> Vec<String> {
    let mut bytes = Vec::new();
    let mut output = Output::new(&mut bytes);
    follower.advance(reader, &mut output, format).unwrap();
    output.flush().unwrap();
    drop(output);
    String::from_utf8(bytes)
        .unwrap()
        .lines()
        .map(str::to_owned)
        .collect()
}

#[test]
fn an_event_is_one_line() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = Store::open(dir.path(), Options::default(), 1).unwrap();
    let mut with = |change: fn(&mut Event)| {
        let mut event = event(store.next_seq(), "select 1");
        change(&mut event);
        append(&mut store, vec![event]);
    };
    with(|event| {
        event.rows_returned = Some(3);
        event.duration_us = Some(1234);
    });
    with(|event| event.text.as_mut().unwrap().bytes = "update t\n\tset a = '\u{1b}[2J'".into());
    with(|event| {
        event.status = Status::Error;
        event.status_code = Some("42P01".into());
        event.error_message = Some("relation \"x\" does not exist".into());
    });
    with(|event| {
        Arc::make_mut(event.session.as_mut().unwrap()).db_user =
            Some("alice@shop from here".into());
        event.rows_affected = Some(2);
        event.repeat_count = 5;
    });
    with(|event| {
        event.kind = Kind::Loss;
        event.command = "ring_full";
        event.session = None;
        event.text = None;
        event.repeat_count = 12;
    });
    let reader = Reader::open(dir.path()).unwrap();
    let lines = advance(&mut Follower { seq: 0 }, &reader, Format::Text);
    let expected = [
        "2026-11-22T01:05:51.123457Z postgresql alice@shop from 192.0.2.7: ok, 3 rows, 1.234 ms: select 1",
        "2026-11-22T01:05:51.123458Z postgresql alice@shop from 192.0.2.7: ok: update t\\n\\tset a = '\\u{1b}[2J'",
        "2026-11-22T01:05:51.123459Z postgresql alice@shop from 192.0.2.7: error 42P01: relation \"x\" does not exist: select 1",
        "2026-11-22T01:05:51.123460Z postgresql \"alice@shop from here\"@shop from 192.0.2.7: ok, 2 changed, 5 times: select 1",
        "2026-11-22T01:05:51.123461Z loss ring_full, 12 times",
    ];
    assert_eq!(lines, expected);
}

#[test]
fn json_has_every_column() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = Store::open(dir.path(), Options::default(), 1).unwrap();
    append(&mut store, vec![event(1, "select 'a\nb'"), event(2, "x")]);
    let reader = Reader::open(dir.path()).unwrap();
    let lines = advance(&mut Follower { seq: 0 }, &reader, Format::Json);
    assert_eq!(lines.len(), 2);
    for line in &lines {
        let object: serde_json::Map<String, serde_json::Value> =
            serde_json::from_str(line).unwrap();
        assert!(
            view_columns().all(|name| object.contains_key(name)),
            "{line}"
        );
    }
    assert!(
        lines[0].contains(r#""db_query_text":"select 'a\nb'""#),
        "{}",
        lines[0]
    );
}

#[test]
fn following_misses_and_repeats_nothing_while_segments_change() {
    let dir = tempfile::tempdir().unwrap();
    let options = Options {
        segment: Limits {
            rows_max: 70,
            ..Limits::default()
        },
        ..Options::default()
    };
    let mut store = Store::open(dir.path(), options, 1).unwrap();
    let reader = Reader::open(dir.path()).unwrap();
    let mut follower = Follower::behind(&reader, LINES.into()).unwrap();
    let mut seen = Vec::new();
    let mut expected = Vec::new();
    for batch in 0..40 {
        let events: Vec<Event> = (store.next_seq()..)
            .take(batch % 9)
            .map(|seq| event(seq, &format!("select {seq}")))
            .collect();
        expected.extend(events.iter().map(|event| format!("select {}", event.seq)));
        append(&mut store, events);
        seen.extend(advance(&mut follower, &reader, Format::Text));
    }
    let texts: Vec<&str> = seen
        .iter()
        .map(|line| line.rsplit_once(": ").unwrap().1)
        .collect();
    assert!(store.segment_id() > 1);
    assert_eq!(texts, expected);
}

#[test]
fn it_begins_with_the_newest_events() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = Store::open(dir.path(), Options::default(), 1).unwrap();
    let reader = Reader::open(dir.path()).unwrap();
    let check = |count: i64, expected: &[&str]| {
        let mut follower = Follower::behind(&reader, count).unwrap();
        let lines = advance(&mut follower, &reader, Format::Text);
        let texts: Vec<&str> = lines
            .iter()
            .map(|line| line.rsplit_once(": ").unwrap().1)
            .collect();
        assert_eq!(texts, expected, "{count}");
    };
    check(20, &[]);
    append(
        &mut store,
        (1..=3)
            .map(|seq| event(seq, &format!("select {seq}")))
            .collect(),
    );
    check(2, &["select 2", "select 3"]);
    check(20, &["select 1", "select 2", "select 3"]);
    check(0, &[]);
}

#[test]
fn a_long_past_comes_in_pages() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = Store::open(dir.path(), Options::default(), 1).unwrap();
    append(
        &mut store,
        (1..=PAGE_ROWS + 1)
            .map(|seq| event(seq, "select 1"))
            .collect(),
    );
    let reader = Reader::open(dir.path()).unwrap();
    let mut follower = Follower { seq: 0 };
    let mut page = || i64::try_from(advance(&mut follower, &reader, Format::Text).len()).unwrap();
    assert_eq!([page(), page(), page()], [PAGE_ROWS, 1, 0]);
}
