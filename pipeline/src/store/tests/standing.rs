//! What a recorder leaves to the next one, and rows that are completed later.

use tempfile::tempdir;

use super::{NOW, batch_to, numbers, open, query, rows};
use crate::flow::{Event, Status};
use crate::store::catalog::Catalog;
use crate::store::standing::{End, KnownTarget, RUNNING_MAX_US, Run, Standing, Targets};

fn running(seq: i64, text: &str) -> Event {
    Event {
        status: Status::Running,
        ..query(seq, text)
    }
}

fn completing(seq: i64, text: &str) -> Standing {
    Standing {
        completed: vec![Event {
            duration_us: Some(7),
            ..query(seq, text)
        }],
        ..Standing::default()
    }
}

const TEXT_AND_END: &str = "SELECT db_query_text, status, duration_us FROM events WHERE seq = 2";

#[test]
fn a_running_row_is_completed_in_its_place() {
    let dir = tempdir().unwrap();
    let mut store = open(dir.path());
    store.begin_run("ring-a", NOW).unwrap();
    let first = vec![
        query(1, "select 1"),
        running(2, "select 2, 'a'"),
        query(3, "select 3"),
    ];
    store.append(&batch_to(first, 10), NOW).unwrap();
    let expected = |status: &str, duration: rusqlite::types::Value| {
        vec![vec![
            "select 2, 'a'".to_owned().into(),
            status.to_owned().into(),
            duration,
        ]]
    };
    assert_eq!(
        rows(dir.path(), TEXT_AND_END),
        expected("running", rusqlite::types::Value::Null)
    );
    store
        .append_with(&batch_to(vec![], 20), &completing(2, "select 2, 'a'"), NOW)
        .unwrap();
    assert_eq!(rows(dir.path(), TEXT_AND_END), expected("ok", 7.into()));
    assert_eq!(numbers(dir.path(), "SELECT seq FROM events"), [1, 2, 3]);
    assert_eq!(numbers(dir.path(), "SELECT count(*) FROM running"), [0]);
    let counts = "SELECT sum(count) FROM statements";
    assert_eq!(
        numbers(dir.path(), counts),
        [3],
        "no statement counts twice"
    );
    assert_eq!(numbers(dir.path(), "SELECT sum(rows) FROM segments"), [3]);
}

#[test]
fn a_sealed_segment_waits_for_its_running_rows() {
    let dir = tempdir().unwrap();
    let mut store = open(dir.path());
    store.begin_run("ring-a", NOW).unwrap();
    let first = vec![query(1, "select 1"), running(2, "select 2, 'a'")];
    store.append(&batch_to(first, 10), NOW).unwrap();
    store.seal(NOW).unwrap();
    store
        .append(&batch_to(vec![query(3, "select 3")], 20), NOW)
        .unwrap();
    let waiting = || {
        Catalog::open(dir.path())
            .unwrap()
            .sealed_segments()
            .unwrap()
    };
    assert!(waiting().is_empty());
    let compacted = || {
        crate::compact::run(dir.path(), &mut Catalog::open(dir.path()).unwrap(), NOW)
            .unwrap()
            .len()
    };
    assert_eq!(compacted(), 0, "its rows are not final");
    drop(store);
    // Also for a recorder that comes later.
    let mut store = open(dir.path());
    store
        .append_with(&batch_to(vec![], 30), &completing(2, "select 2, 'a'"), NOW)
        .unwrap();
    assert_eq!(waiting().len(), 1);
    assert_eq!(
        rows(dir.path(), TEXT_AND_END)[0][1..],
        ["ok".to_owned().into(), 7.into()]
    );
    assert_eq!(
        numbers(dir.path(), "SELECT seq FROM events_1 ORDER BY seq"),
        [1, 2]
    );
    assert_eq!(compacted(), 1);
}

#[test]
fn a_running_row_is_let_go_in_the_end() {
    let dir = tempdir().unwrap();
    let mut store = open(dir.path());
    store.begin_run("ring-a", NOW).unwrap();
    store
        .append(&batch_to(vec![running(1, "select 1")], 10), NOW)
        .unwrap();
    store.seal(NOW).unwrap();
    assert!(store.overdue(NOW + RUNNING_MAX_US - 1).unwrap().is_empty());
    assert_eq!(store.overdue(NOW + RUNNING_MAX_US).unwrap(), [1]);
    let standing = Standing {
        let_go: vec![1],
        ..Standing::default()
    };
    store
        .append_with(&batch_to(vec![], 20), &standing, NOW)
        .unwrap();
    assert!(store.overdue(NOW + RUNNING_MAX_US).unwrap().is_empty());
    assert_eq!(
        Catalog::open(dir.path())
            .unwrap()
            .sealed_segments()
            .unwrap()
            .len(),
        1
    );
}

#[test]
fn notes_are_of_one_ring_and_one_transaction() {
    let dir = tempdir().unwrap();
    let mut store = open(dir.path());
    assert_eq!(store.last_run().unwrap(), None);
    let notes = store.begin_run("ring-a", NOW).unwrap();
    assert!(notes.threads.is_empty() && notes.counted.is_empty());
    let standing = |threads, counted| Standing {
        threads,
        counted: vec![("ring_full", counted)],
        ..Standing::default()
    };
    let first = standing(
        vec![
            (5, Some(b"five".to_vec())),
            (u64::MAX, Some(b"max".to_vec())),
        ],
        4,
    );
    store
        .append_with(&batch_to(vec![query(1, "a")], 10), &first, NOW + 1)
        .unwrap();
    let next = standing(vec![(5, None), (6, Some(b"six".to_vec()))], u64::MAX);
    // Rows that do not follow: nothing of it is stored.
    store
        .append_with(&batch_to(vec![query(9, "a")], 20), &next, NOW + 2)
        .unwrap_err();
    drop(store);

    let mut store = open(dir.path());
    let run = Run {
        ring_id: "ring-a".to_owned(),
        alive_us: NOW + 1,
        stopped_us: None,
        kept: false,
    };
    assert_eq!(store.last_run().unwrap(), Some(run));
    let notes = store.begin_run("ring-a", NOW + 3).unwrap();
    assert_eq!(
        notes.threads,
        [(u64::MAX, b"max".to_vec()), (5, b"five".to_vec())]
    );
    assert_eq!(notes.counted, [("ring_full".to_owned(), 4)]);
    store
        .append_with(&batch_to(vec![query(2, "a")], 20), &next, NOW + 4)
        .unwrap();
    let notes = store.begin_run("ring-a", NOW + 5).unwrap();
    assert_eq!(
        notes.threads,
        [(u64::MAX, b"max".to_vec()), (6, b"six".to_vec())]
    );
    assert_eq!(notes.counted, [("ring_full".to_owned(), u64::MAX)]);

    let notes = store.begin_run("ring-b", NOW + 6).unwrap();
    assert!(notes.threads.is_empty() && notes.counted.is_empty());
    assert_eq!(store.ring_position("ring-a"), None);
}

#[test]
fn an_end_says_how() {
    let dir = tempdir().unwrap();
    let mut store = open(dir.path());
    for (end, kept, left) in [(End::Kept, true, 1), (End::Clean, false, 0)] {
        store.begin_run("ring-a", NOW).unwrap();
        let next = store.next_seq();
        let standing = Standing {
            threads: vec![(5, Some(b"five".to_vec()))],
            end: Some(end),
            ..Standing::default()
        };
        store
            .append_with(&batch_to(vec![running(next, "a")], 10), &standing, NOW + 1)
            .unwrap();
        let run = store.last_run().unwrap().unwrap();
        assert_eq!((run.stopped_us, run.kept), (Some(NOW + 1), kept));
        for table in ["threads", "running"] {
            assert_eq!(
                numbers(dir.path(), &format!("SELECT count(*) FROM {table}")),
                [left],
                "{table}"
            );
        }
    }
}

#[test]
fn a_server_binary_takes_the_place_of_another() {
    let dir = tempdir().unwrap();
    let mut store = open(dir.path());
    store.begin_run("ring-a", NOW).unwrap();
    let target = |index, inode| KnownTarget {
        index,
        key: (u64::MAX, inode),
        facts: format!("{{\"inode\":{inode}}}"),
    };
    let targets = Targets::open(dir.path(), "ring-a").unwrap();
    for (index, inode) in [(0, 7), (1, 8), (0, 9)] {
        targets.put(&target(index, inode)).unwrap();
    }
    assert_eq!(targets.list().unwrap(), [target(0, 9), target(1, 8)]);
    let other = Targets::open(dir.path(), "ring-b").unwrap();
    assert_eq!(other.list().unwrap(), []);
}

#[test]
fn a_trail_keeps_its_name() {
    let dir = tempdir().unwrap();
    let name = open(dir.path()).trail_id().unwrap();
    assert_eq!(open(dir.path()).trail_id().unwrap(), name);
    assert_ne!(open(tempdir().unwrap().path()).trail_id().unwrap(), name);
}

#[test]
fn every_recording_that_was_killed_is_told_once() {
    let dir = tempdir().unwrap();
    let mut store = open(dir.path());
    store.begin_run("ring-a", NOW).unwrap();
    store.begin_run("ring-a", NOW + 10).unwrap();
    assert_eq!(
        store.crashes(NOW + 30).unwrap(),
        [(NOW, NOW + 10), (NOW + 10, NOW + 30)]
    );
    // The next one is killed before it stores anything, too.
    store.begin_run("ring-a", NOW + 30).unwrap();
    assert_eq!(store.crashes(NOW + 40).unwrap().len(), 3);
    store.begin_run("ring-a", NOW + 40).unwrap();
    store
        .append(&batch_to(vec![query(1, "select 1")], 10), NOW + 50)
        .unwrap();
    // What it stored had the rows about those before it.
    assert_eq!(store.crashes(NOW + 60).unwrap(), [(NOW + 50, NOW + 60)]);
}
