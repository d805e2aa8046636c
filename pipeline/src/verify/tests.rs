//! Trails that are whole, and each way to damage one.

use std::fs;
use std::path::Path;

use rusqlite::Connection;
use tempfile::TempDir;

use super::*;
use crate::compact;
use crate::flow::{Batch, Event, Kind, Text};
use crate::store::catalog::Catalog;
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
    sql(
        dir,
        "DROP VIEW events; DROP VIEW rows_2; DROP TABLE events_2; DROP TABLE templates_2;
         UPDATE segments SET state = 'dropped', dropped_at = 9 WHERE segment_id = 2",
    );
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
