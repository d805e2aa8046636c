//! What goes, what stays, and what a crash in between leaves.

mod plan;
mod room;

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::plan::{Deed, Limits};
use super::{RetainError, run};
use crate::compact;
use crate::flow::{Batch, Event, Kind};
use crate::store::catalog::Catalog;
use crate::store::error::StoreError;
use crate::store::holds::Change;
use crate::store::retention::Why;
use crate::store::{Options, Store, reader::Reader};
use crate::verify;

/// 2026-11-22T00:00:00Z.
const START_US: i64 = 1_795_305_600_000_000;
const DAY_US: i64 = 86_400_000_000;

fn change() -> Change {
    Change {
        reason: "a trial".to_owned(),
        by: "counsel".to_owned(),
        at_us: 1,
    }
}

/// Segments 1 to 3, archived, of five rows on a day each, and 4, open, of the next day.
fn trail() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    let mut store = Store::open(dir.path(), Options::default(), 1).unwrap();
    for day in 0..4 {
        let events = (1..=5)
            .map(|n| day * 5 + n)
            .map(|seq| Event::new(seq, START_US + day * DAY_US + seq, Kind::Lifecycle, "x"))
            .collect();
        store.append(&Batch { events, ring: None }, 2).unwrap();
        if day < 3 {
            store.seal(3).unwrap();
        }
    }
    compact::run(dir.path(), &mut Catalog::open(dir.path()).unwrap(), 4).unwrap();
    dir
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = fs::read_dir(dir.join("archive"))
        .unwrap()
        .flat_map(|folder| fs::read_dir(folder.unwrap().path()).unwrap())
        .map(|file| file.unwrap().path())
        .collect();
    files.sort();
    files
}

fn seqs(dir: &Path) -> Vec<i64> {
    let reader = Reader::open(dir).unwrap();
    let connection = reader.connection();
    let mut statement = connection
        .prepare("SELECT seq FROM events ORDER BY seq")
        .unwrap();
    let seqs = statement.query_map([], |row| row.get(0)).unwrap();
    seqs.collect::<rusqlite::Result<_>>().unwrap()
}

/// Two days of rows anywhere, one in SQLite.
const LIMITS: Limits = Limits {
    hot_age_us: Some(DAY_US),
    hot_bytes: None,
    total_age_us: Some(2 * DAY_US),
    total_bytes: None,
    excess_bytes: 0,
};

/// The end of the fourth day.
const NOW_US: i64 = START_US + 4 * DAY_US;

#[test]
fn segments_go_and_say_so() {
    let dir = trail();
    let mut catalog = Catalog::open(dir.path()).unwrap();
    let outcome = run(dir.path(), &mut catalog, &LIMITS, "a test", NOW_US).unwrap();
    assert!(outcome.failed.is_empty(), "{:?}", outcome.failed);
    let done: Vec<_> = outcome
        .done
        .iter()
        .map(|step| (step.segment_id, step.deed))
        .collect();
    assert_eq!(done, [(1, Deed::Purge), (2, Deed::Purge), (3, Deed::Drop)]);
    assert_eq!(files(dir.path()).len(), 1);
    assert_eq!(seqs(dir.path()), [16, 17, 18, 19, 20]);
    assert_eq!(verify::run(dir.path()).unwrap(), []);
    let again = run(dir.path(), &mut catalog, &LIMITS, "a test", NOW_US).unwrap();
    assert!(again.done.is_empty() && again.failed.is_empty());

    // Who holds the folder makes rows of what happened.
    let mut store = Store::open(dir.path(), Options::default(), NOW_US).unwrap();
    assert_eq!(store.tell_notices(NOW_US).unwrap(), 3);
    assert_eq!(store.tell_notices(NOW_US).unwrap(), 0);
    let told: Vec<String> = Reader::open(dir.path())
        .unwrap()
        .connection()
        .prepare("SELECT command || ': ' || error_message FROM events WHERE seq > 20 ORDER BY seq")
        .unwrap()
        .query_map([], |row| row.get(0))
        .unwrap()
        .collect::<rusqlite::Result<_>>()
        .unwrap();
    assert_eq!(
        told,
        [
            "purge: segment 1, seq 1 to 5, 5 rows, 2026-11-22T00:00:00.000001Z to 2026-11-22T00:00:00.000005Z: \
             total_age, by a test",
            "purge: segment 2, seq 6 to 10, 5 rows, 2026-11-23T00:00:00.000006Z to 2026-11-23T00:00:00.000010Z: \
             total_age, by a test",
            "drop: segment 3, seq 11 to 15, 5 rows, 2026-11-24T00:00:00.000011Z to 2026-11-24T00:00:00.000015Z: \
             hot_age, by a test",
        ]
    );
    assert_eq!(verify::run(dir.path()).unwrap(), []);
}

#[test]
fn what_a_crash_leaves_is_ended_by_the_next_run() {
    // After the tombstone, after the file, and after its folder.
    for removed in 0..3 {
        let dir = trail();
        let mut catalog = Catalog::open(dir.path()).unwrap();
        let why = Why {
            reason: "total_age",
            by: "a test".to_owned(),
        };
        catalog.purge(1, &why, NOW_US).unwrap();
        let [first, ..] = &files(dir.path())[..] else {
            panic!("no file")
        };
        if removed > 0 {
            fs::remove_file(first).unwrap();
        }
        if removed > 1 {
            fs::remove_dir(first.parent().unwrap()).unwrap();
        }
        assert_eq!(verify::run(dir.path()).unwrap(), []);
        assert_eq!(catalog.unremoved().unwrap().len(), 1);
        let outcome = run(
            dir.path(),
            &mut catalog,
            &Limits::default(),
            "a test",
            NOW_US,
        )
        .unwrap();
        assert!(outcome.done.is_empty() && outcome.failed.is_empty());
        assert_eq!(catalog.unremoved().unwrap(), []);
        assert!(!first.parent().unwrap().exists());
        assert_eq!(verify::run(dir.path()).unwrap(), []);
    }
}

#[test]
fn rows_stay_where_their_file_is_not_the_one_that_was_written() {
    let limits = Limits {
        hot_age_us: Some(0),
        ..Limits::default()
    };
    let dir = trail();
    let [first, second, _] = &files(dir.path())[..] else {
        panic!("not three files")
    };
    fs::remove_file(first).unwrap();
    fs::write(second, "something else").unwrap();
    let mut catalog = Catalog::open(dir.path()).unwrap();
    let outcome = run(dir.path(), &mut catalog, &limits, "a test", NOW_US).unwrap();
    // The third is as it was, and goes.
    let done: Vec<i64> = outcome.done.iter().map(|step| step.segment_id).collect();
    assert_eq!(done, [3]);
    let failed: Vec<_> = outcome
        .failed
        .iter()
        .map(|error| match error {
            RetainError::NotWhole { path, .. } => path,
            other => panic!("{other}"),
        })
        .collect();
    assert_eq!(failed, [first, second]);
    assert_eq!(seqs(dir.path()).len(), 15);
}

#[test]
fn a_hold_that_came_meanwhile_is_respected() {
    let dir = trail();
    let mut catalog = Catalog::open(dir.path()).unwrap();
    let hold_id = catalog.add_hold(START_US, START_US + 1, &change()).unwrap();
    let why = Why {
        reason: "total_age",
        by: "a test".to_owned(),
    };
    let error = catalog.purge(1, &why, NOW_US).unwrap_err();
    assert!(
        matches!(
            error,
            StoreError::Held {
                segment_id: 1,
                hold_id: 1
            }
        ),
        "{error}"
    );
    let outcome = run(dir.path(), &mut catalog, &LIMITS, "a test", NOW_US).unwrap();
    let done: Vec<_> = outcome
        .done
        .iter()
        .map(|step| (step.segment_id, step.deed))
        .collect();
    assert_eq!(done, [(2, Deed::Purge), (1, Deed::Drop), (3, Deed::Drop)]);
    catalog.release_hold(hold_id, &change()).unwrap();
    let error = catalog.release_hold(hold_id, &change()).unwrap_err();
    assert!(
        matches!(error, StoreError::NoHold { hold_id: 1 }),
        "{error}"
    );
    let outcome = run(dir.path(), &mut catalog, &LIMITS, "a test", NOW_US).unwrap();
    assert_eq!(outcome.done.len(), 1);
    assert_eq!(verify::run(dir.path()).unwrap(), []);
}

#[test]
fn a_path_outside_of_the_archive_is_not_removed() {
    for path in [
        "audit.db",
        "../x",
        "archive/../audit.db",
        "/etc/passwd",
        "archive",
    ] {
        let dir = trail();
        let mut catalog = Catalog::open(dir.path()).unwrap();
        catalog
            .connection()
            .execute(
                "UPDATE archive_files SET path = ?1 WHERE segment_id = 1",
                [path],
            )
            .unwrap();
        let outcome = run(dir.path(), &mut catalog, &LIMITS, "a test", NOW_US).unwrap();
        assert_eq!(outcome.failed.len(), 1, "{path}: {:?}", outcome.failed);
        assert!(dir.path().join("audit.db").exists());
        assert_eq!(catalog.unremoved().unwrap().len(), 1);
    }
}

#[test]
fn two_runs_do_not_meet() {
    let dir = trail();
    let held = compact::execute::lock(dir.path()).unwrap();
    let mut catalog = Catalog::open(dir.path()).unwrap();
    let error = run(dir.path(), &mut catalog, &LIMITS, "a test", NOW_US).unwrap_err();
    assert!(matches!(
        error,
        RetainError::Archive(compact::CompactError::Busy { .. })
    ));
    drop(held);
    run(dir.path(), &mut catalog, &LIMITS, "a test", NOW_US).unwrap();
}
