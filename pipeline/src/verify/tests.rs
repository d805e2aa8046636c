//! Trails that are whole, and each way to damage one.

use std::fs;
use std::path::Path;

use rusqlite::Connection;
use tempfile::TempDir;

use super::*;
use crate::compact;
use crate::flow::{Batch, Event, Kind, Text};
use crate::store::catalog::Catalog;
use crate::store::retention::Why;
use crate::store::{Options, Store};

/// 2026-11-22T00:00:00Z.
const DAY_START_US: i64 = 1_795_305_600_000_000;

/// Rows of a segment; the last half of the second one is on the next day.
const ROWS: i64 = 10;

fn batch(first: i64) -> Batch {
    let events = (first..first + ROWS)
        .map(|seq| {
            let day = i64::from(seq > 15);
            let bytes = format!("select {seq} from t").into_bytes();
            Event {
                text: Some(Text {
                    len: bytes.len() as u64,
                    bytes,
                    truncated: false,
                }),
                ..Event::new(
                    seq,
                    DAY_START_US + day * 86_400_000_000 + seq,
                    Kind::Query,
                    "simple",
                )
            }
        })
        .collect();
    Batch { events, ring: None }
}

/// Segments 1 (events 1 to 10) and 2 (11 to 20, two files) archived, 3 (21 to 30) sealed, 4 (31 to 40) open.
fn trail() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    let mut store = Store::open(dir.path(), Options::default(), 1).unwrap();
    for first in [1, 11] {
        store.append(&batch(first), 2).unwrap();
        store.seal(3).unwrap();
    }
    let files = compact::run(dir.path(), &mut Catalog::open(dir.path()).unwrap(), 4).unwrap();
    assert_eq!(files.len(), 3);
    store.append(&batch(21), 5).unwrap();
    store.seal(6).unwrap();
    store.append(&batch(31), 7).unwrap();
    dir
}

fn sql(dir: &Path, text: &str) {
    Connection::open(dir.join("audit.db"))
        .unwrap()
        .execute_batch(text)
        .unwrap();
}

/// Drops segment 2 as retention does: its rows are in the archive alone.
fn drop_second(dir: &Path) {
    let mut catalog = Catalog::open(dir).unwrap();
    catalog.drop_rows(2, &why(), 9).unwrap();
}

/// Lets segment 1 go altogether, and segment 2 when the files of 1 may still be there.
fn purge(dir: &Path) {
    let mut catalog = Catalog::open(dir).unwrap();
    for segment_id in [1, 2] {
        catalog.purge(segment_id, &why(), 9).unwrap();
    }
    fs::remove_file(dir.join(FIRST)).unwrap();
    catalog.mark_removed(1, 10).unwrap();
}

fn why() -> Why {
    Why {
        reason: "total_age",
        by: "a test".to_owned(),
    }
}

fn found(dir: &Path) -> Vec<(&'static str, Option<i64>)> {
    run(dir)
        .unwrap()
        .into_iter()
        .map(|violation| (violation.invariant.name(), violation.seq))
        .collect()
}

/// What is found after a damage.
fn check(damage: impl Fn(&Path), expected: &[(&'static str, i64)]) {
    let dir = trail();
    damage(dir.path());
    let expected: Vec<_> = expected
        .iter()
        .map(|(name, seq)| (*name, Some(*seq)))
        .collect();
    assert_eq!(found(dir.path()), expected);
}

const FIRST: &str = "archive/date=2026-11-22/1-1.parquet";
const SECOND: &str = "archive/date=2026-11-22/2-1.parquet";
const THIRD: &str = "archive/date=2026-11-23/2-2.parquet";

#[test]
fn a_whole_trail_holds() {
    check(|_| {}, &[]);
    check(drop_second, &[]);
    check(purge, &[]);
    check(
        |dir| {
            drop_second(dir);
            purge(dir);
        },
        &[],
    );
}

#[test]
fn what_is_gone_has_one_tombstone_that_fits() {
    let after = |damage: &str, expected: &[(&'static str, i64)]| {
        check(
            |dir| {
                purge(dir);
                sql(dir, damage);
            },
            expected,
        );
    };
    after(
        "DELETE FROM tombstones WHERE segment_id = 1",
        &[("RETAIN-1", 1)],
    );
    after(
        "UPDATE tombstones SET rows = 9 WHERE segment_id = 2",
        &[("RETAIN-1", 11)],
    );
    after(
        "UPDATE tombstones SET last_seq = 11 WHERE segment_id = 1",
        &[("RETAIN-1", 1)],
    );
    after(
        "INSERT INTO tombstones SELECT 3, 21, 30, 10, 1, 2, reason, purged_by, 9, 9
         FROM tombstones WHERE segment_id = 1",
        &[("RETAIN-1", 21)],
    );
    after(
        "UPDATE segments SET state = 'dropped' WHERE segment_id = 1",
        &[("RETAIN-1", 1)],
    );
    after(
        "DELETE FROM segments WHERE segment_id = 1",
        &[("SEQ-1", 1), ("RETAIN-1", 1)],
    );
    after(
        "UPDATE segments SET last_seq = 9 WHERE segment_id = 1",
        &[("SEQ-1", 10), ("SEGMENT-1", 1), ("RETAIN-1", 1)],
    );
    after(
        "CREATE TABLE events_1(seq INTEGER PRIMARY KEY)",
        &[("RETAIN-1", 1)],
    );
}

#[test]
fn no_file_of_what_is_gone_is_counted_or_left() {
    check(
        |dir| {
            purge(dir);
            sql(
                dir,
                "INSERT INTO archive_files SELECT path, 2, '2026-11-22', rows, bytes, 11, 15, 1, 2, sha256
                 FROM purged_files WHERE segment_id = 2 LIMIT 1",
            );
        },
        &[("COMPACT-1", 11), ("RETAIN-1", 11)],
    );
    // The files of segment 2 may be there: its tombstone does not say that they are removed.
    check(
        |dir| {
            purge(dir);
            sql(
                dir,
                "UPDATE tombstones SET removed_at = 10 WHERE segment_id = 2",
            );
        },
        &[("ARCHIVE-1", 11)],
    );
}

#[test]
fn a_row_that_stands_for_many_is_one_row() {
    let dir = trail();
    let mut store = Store::open(dir.path(), Options::default(), 8).unwrap();
    let mut many = batch(41);
    for event in &mut many.events {
        event.repeat_count = 7;
    }
    store.append(&many, 9).unwrap();
    assert_eq!(found(dir.path()), []);
    store.seal(10).unwrap();
    compact::run(dir.path(), &mut Catalog::open(dir.path()).unwrap(), 11).unwrap();
    assert_eq!(found(dir.path()), []);
}

#[test]
fn a_recorder_may_run_and_an_empty_trail_holds() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = Store::open(dir.path(), Options::default(), 1).unwrap();
    assert_eq!(found(dir.path()), []);
    store.append(&batch(1), 2).unwrap();
    assert_eq!(found(dir.path()), []);
}

#[test]
fn damaged_rows_are_named() {
    check(
        |dir| sql(dir, "DELETE FROM events_1 WHERE seq = 7"),
        &[("SEQ-1", 7), ("SEGMENT-1", 1), ("COMPACT-1", 7)],
    );
    check(
        |dir| sql(dir, "DELETE FROM events_4 WHERE seq = 40"),
        &[("SEQ-1", 40), ("SEGMENT-1", 31)],
    );
    check(
        |dir| sql(dir, "UPDATE events_2 SET literal_1 = '0' WHERE seq = 17"),
        &[("COMPACT-1", 17)],
    );
    check(
        |dir| sql(dir, "UPDATE events_3 SET template_id = 99 WHERE seq = 25"),
        &[("ROW-1", 25)],
    );
    check(
        |dir| sql(dir, "UPDATE events_3 SET time = 0 WHERE seq = 21"),
        &[("SEGMENT-1", 21)],
    );
    check(
        |dir| {
            sql(
                dir,
                "DROP VIEW events; DROP VIEW rows_3; DROP TABLE events_3",
            );
        },
        &[("SEGMENT-1", 21)],
    );
}

#[test]
fn damaged_catalogues_are_named() {
    check(
        |dir| sql(dir, "DELETE FROM segments WHERE segment_id = 3"),
        &[("SEQ-1", 21), ("SEGMENT-1", 21)],
    );
    check(
        |dir| sql(dir, "UPDATE segments SET rows = 9 WHERE segment_id = 3"),
        &[("SEGMENT-1", 21)],
    );
    let forget = format!("DELETE FROM archive_files WHERE path = '{THIRD}'");
    check(
        |dir| sql(dir, &forget),
        &[("COMPACT-1", 16), ("ARCHIVE-1", 11)],
    );
    check(
        |dir| {
            drop_second(dir);
            sql(dir, &forget);
        },
        &[("ARCHIVE-1", 11), ("RETAIN-1", 11)],
    );
    let shorten = format!("UPDATE archive_files SET last_seq = 9 WHERE path = '{FIRST}'");
    check(|dir| sql(dir, &shorten), &[("COMPACT-1", 1)]);
}

#[test]
fn damaged_files_are_named() {
    let truncate = |dir: &Path| {
        let file = fs::File::options()
            .write(true)
            .open(dir.join(SECOND))
            .unwrap();
        file.set_len(file.metadata().unwrap().len() / 2).unwrap();
    };
    check(truncate, &[("COMPACT-1", 11)]);
    check(
        |dir| {
            drop_second(dir);
            truncate(dir);
        },
        &[("COMPACT-1", 11)],
    );
    check(
        |dir| fs::remove_file(dir.join(THIRD)).unwrap(),
        &[("COMPACT-1", 16)],
    );
    let swap = |dir: &Path| {
        let aside = dir.join("aside");
        fs::rename(dir.join(SECOND), &aside).unwrap();
        fs::rename(dir.join(THIRD), dir.join(SECOND)).unwrap();
        fs::rename(aside, dir.join(THIRD)).unwrap();
    };
    check(swap, &[("COMPACT-1", 11)]);
    check(
        |dir| {
            drop_second(dir);
            swap(dir);
        },
        &[("COMPACT-1", 11)],
    );
    // The same rows under another writer's name: only the hash shows it.
    check(
        |dir| {
            drop_second(dir);
            let mut bytes = fs::read(dir.join(THIRD)).unwrap();
            let name = b"parquet-rs";
            let at = bytes
                .windows(name.len())
                .position(|part| part == name)
                .unwrap();
            bytes[at] = b'P';
            fs::write(dir.join(THIRD), bytes).unwrap();
        },
        &[("COMPACT-1", 16)],
    );
    check(
        |dir| {
            fs::copy(
                dir.join(FIRST),
                dir.join("archive/date=2026-11-22/1-9.parquet"),
            )
            .unwrap();
        },
        &[("ARCHIVE-1", 1)],
    );
}

#[test]
fn files_of_a_compaction_under_way_are_no_strangers() {
    check(
        |dir| {
            for name in ["3-1.parquet", "9-1.parquet", ".1-2.parquet.tmp"] {
                let path = dir.join("archive/date=2026-11-22").join(name);
                fs::copy(dir.join(FIRST), path).unwrap();
            }
        },
        &[],
    );
}
