//! A batch that fails leaves nothing, and can be handed over again.

use std::time::Duration;

use rusqlite::Connection;

use super::*;
use crate::store::error::StoreError;

/// Batches with new sessions, commands, templates and ring positions in each.
fn batches() -> Vec<Batch> {
    let with = |seq: i64, user: &str, command: &'static str, text: &str| Event {
        session: Some(session(user, Dialect::Postgres)),
        command,
        objects: Some(format!(r#"[{{"name":"{user}.t"}}]"#)),
        ..query(seq, text)
    };
    vec![
        batch_to(
            vec![
                lifecycle(1, "start"),
                with(2, "alice", "simple", "select 1"),
            ],
            100,
        ),
        batch_to(
            vec![
                with(3, "bob", "execute", "select 'x' from t"),
                with(4, "alice", "simple", "select 2"),
                with(5, "carol", "fetch", "update t set a = 1 where b = 2"),
            ],
            200,
        ),
        batch_to(
            vec![
                with(6, "bob", "execute", "select 'y' from t"),
                with(7, "dave", "simple", "drop table t"),
            ],
            300,
        ),
    ]
}

fn small_segments() -> Options {
    Options {
        segment: crate::store::segment::Limits {
            rows_max: 5,
            ..Default::default()
        },
        ..options()
    }
}

#[test]
fn failed_batch_leaves_nothing_and_is_taken_again() {
    let undisturbed = tempfile::tempdir().unwrap();
    let mut store = Store::open(undisturbed.path(), small_segments(), NOW).unwrap();
    for batch in batches() {
        store.append(&batch, NOW).unwrap();
    }

    // Fails once in each batch, at every place where a row can fail.
    for failing in [
        "BEFORE INSERT ON events_1 WHEN new.seq = 1",
        "BEFORE INSERT ON events_1 WHEN new.seq = 5",
        "BEFORE INSERT ON events_2 WHEN new.seq = 7",
        "BEFORE INSERT ON sessions WHEN new.db_user = 'carol'",
        "BEFORE INSERT ON commands WHEN new.command = 'fetch'",
        "BEFORE INSERT ON templates_1 WHEN new.template_id = 3",
        "BEFORE INSERT ON objects_1 WHEN new.objects_id = 2",
        "BEFORE INSERT ON statements WHEN new.class = 'WRITE'",
        "BEFORE UPDATE ON statements",
        "BEFORE UPDATE ON segments",
        "BEFORE UPDATE ON segments WHEN new.state = 'sealed'",
        "BEFORE INSERT ON segments",
        "BEFORE INSERT ON ring",
    ] {
        let dir = tempfile::tempdir().unwrap();
        let mut store = Store::open(dir.path(), small_segments(), NOW).unwrap();
        let mut failures = 0;
        for batch in batches() {
            let before = (
                dump(dir.path()),
                store.next_seq(),
                store.ring_position("ring-a"),
            );
            let on = failing.split_whitespace().nth(3).unwrap();
            let exists = !words(
                dir.path(),
                &format!("SELECT name FROM sqlite_schema WHERE name = '{on}'"),
            )
            .is_empty();
            if exists {
                let trigger = format!(
                    "CREATE TEMP TRIGGER fails {failing} BEGIN SELECT RAISE(ABORT, 'simulated'); END"
                );
                store.connection.execute_batch(&trigger).unwrap();
                if let Err(error) = store.append(&batch, NOW) {
                    assert!(matches!(error, StoreError::Sqlite { .. }), "{error}");
                    failures += 1;
                    assert_eq!(
                        before,
                        (
                            dump(dir.path()),
                            store.next_seq(),
                            store.ring_position("ring-a")
                        )
                    );
                    store
                        .connection
                        .execute_batch("DROP TRIGGER fails")
                        .unwrap();
                    store.append(&batch, NOW).unwrap();
                } else {
                    store
                        .connection
                        .execute_batch("DROP TRIGGER fails")
                        .unwrap();
                }
            } else {
                store.append(&batch, NOW).unwrap();
            }
        }
        assert!(failures > 0, "{failing} never failed");
        assert_eq!(dump(dir.path()), dump(undisturbed.path()), "{failing}");
    }
}

#[test]
fn full_disk_is_told_and_overcome() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = open(dir.path());
    let pages: i64 = store
        .connection
        .query_row("PRAGMA page_count", [], |row| row.get(0))
        .unwrap();
    store
        .connection
        .query_row(&format!("PRAGMA max_page_count = {pages}"), [], |_| Ok(()))
        .unwrap();
    let large = batch_to(
        (1..=100)
            .map(|seq| query(seq, format!("select '{}'", "x".repeat(4000))))
            .collect(),
        7,
    );
    let error = store.append(&large, NOW).unwrap_err();
    assert!(matches!(error, StoreError::DiskFull { .. }), "{error}");
    assert!(error.is_retryable() && error.hint().is_some());
    assert_eq!((store.next_seq(), store.ring_position("ring-a")), (1, None));
    store
        .connection
        .query_row("PRAGMA max_page_count = 1000000", [], |_| Ok(()))
        .unwrap();
    store.append(&large, NOW).unwrap();
    assert_eq!(numbers(dir.path(), "SELECT count(*) FROM events"), [100]);
    assert_eq!(store.ring_position("ring-a"), Some(7));
}

#[test]
fn lock_of_another_is_told_and_overcome() {
    let dir = tempfile::tempdir().unwrap();
    let patience = Options {
        busy_timeout: Duration::from_millis(1),
        ..options()
    };
    let mut store = Store::open(dir.path(), patience, NOW).unwrap();
    let other = Connection::open(dir.path().join("audit.db")).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let error = store
        .append(&batch(vec![query(1, "select 1")]), NOW)
        .unwrap_err();
    assert!(matches!(error, StoreError::Locked { .. }), "{error}");
    assert!(error.is_retryable() && error.to_string().contains("audit.db"));
    other.execute_batch("ROLLBACK").unwrap();
    store
        .append(&batch(vec![query(1, "select 1")]), NOW)
        .unwrap();
}

#[test]
fn rows_that_do_not_follow_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = open(dir.path());
    store
        .append(&batch(vec![query(1, "select 1")]), NOW)
        .unwrap();
    for (seqs, expected, found) in [
        (vec![1], 2, 1),
        (vec![3], 2, 3),
        (vec![2, 4], 3, 4),
        (vec![2, 2], 3, 2),
    ] {
        let events = seqs.into_iter().map(|seq| query(seq, "select 1")).collect();
        let error = store.append(&batch(events), NOW).unwrap_err();
        assert!(
            matches!(error, StoreError::Sequence { expected: e, found: f } if (e, f) == (expected, found))
        );
        assert!(!error.is_retryable());
    }
    assert_eq!(store.next_seq(), 2);
    assert_eq!(numbers(dir.path(), "SELECT count(*) FROM events"), [1]);
}

#[test]
fn ring_position_beyond_sqlite_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = open(dir.path());
    let error = store
        .append(&batch_to(vec![query(1, "select 1")], u64::MAX), NOW)
        .unwrap_err();
    assert!(matches!(error, StoreError::TooLarge { .. }));
    assert_eq!(store.next_seq(), 1);
}
