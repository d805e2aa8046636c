//! A reader that keeps its snapshot for long: what it costs, and that it ends.

use super::*;
use crate::store::catalog::Catalog;

const MIB: i64 = 1 << 20;

fn wal_bytes(dir: &Path) -> i64 {
    let file = dir.join("audit.db-wal").metadata().unwrap();
    i64::try_from(file.len()).unwrap()
}

/// A batch of about 100 KiB.
fn append(store: &mut Store) {
    let first = store.next_seq();
    let events = (first..first + 10)
        .map(|seq| query(seq, format!("select '{}'", "x".repeat(10_000))))
        .collect();
    store.append(&batch(events), NOW).unwrap();
}

#[test]
fn a_snapshot_holds_up_nobody_and_the_log_is_small_again_when_it_is_gone() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = open(dir.path());
    // As the file is set up, in small.
    store
        .connection
        .pragma_update(None, "journal_size_limit", MIB)
        .unwrap();
    let catalog = Catalog::open(dir.path()).unwrap();
    append(&mut store);

    let reader = Reader::open(dir.path()).unwrap();
    let snapshot = reader.connection().unchecked_transaction().unwrap();
    let count = || -> i64 {
        snapshot
            .query_row("SELECT count(*) FROM events", [], |row| row.get(0))
            .unwrap()
    };
    assert_eq!(count(), 10);
    let mut held = 0;
    for _ in 0..100 {
        append(&mut store);
        let done = catalog.checkpoint().unwrap();
        held += i32::from(done.done_pages < done.wal_pages);
    }
    assert_eq!(count(), 10, "the reader has its snapshot");
    assert_eq!(held, 100, "and each checkpoint says so");
    assert!(wal_bytes(dir.path()) > 10 * MIB);
    assert_eq!(numbers(dir.path(), "SELECT count(*) FROM events"), [1010]);
    // It cannot begin anew, and nobody waits for that.
    catalog.empty_wal().unwrap();
    assert!(wal_bytes(dir.path()) > 10 * MIB);

    drop(snapshot);
    let done = catalog.checkpoint().unwrap();
    assert_eq!(done.done_pages, done.wal_pages);
    catalog.empty_wal().unwrap();
    assert_eq!(wal_bytes(dir.path()), 0);
    append(&mut store);
    assert!(wal_bytes(dir.path()) <= MIB);
    assert_eq!(crate::verify::run(dir.path()).unwrap(), []);
}

#[test]
fn the_log_begins_anew_by_itself_with_the_next_commit() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = open(dir.path());
    store
        .connection
        .pragma_update(None, "journal_size_limit", MIB)
        .unwrap();
    let catalog = Catalog::open(dir.path()).unwrap();
    for _ in 0..30 {
        append(&mut store);
    }
    assert!(wal_bytes(dir.path()) > 3 * MIB);
    catalog.checkpoint().unwrap();
    append(&mut store);
    assert!(wal_bytes(dir.path()) <= MIB);
}
