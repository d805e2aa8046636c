//! What goes, what stays, and what a crash in between leaves.

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::plan::{Deed, Limits, Reason, plan};
use super::{RetainError, run};
use crate::compact;
use crate::flow::{Batch, Event, Kind};
use crate::store::catalog::{ArchiveFile, Catalog, SegmentEntry, SegmentState, Span};
use crate::store::error::StoreError;
use crate::store::holds::{Change, Hold};
use crate::store::retention::Why;
use crate::store::{Options, Store, reader::Reader};
use crate::verify;

/// 2026-11-22T00:00:00Z.
const START_US: i64 = 1_795_305_600_000_000;
const DAY_US: i64 = 86_400_000_000;

/// Segment `id` of `states` has the rows of day `id`, 100 bytes of them, and a file of 10.
fn catalogue(states: &[SegmentState]) -> (Vec<SegmentEntry>, Vec<ArchiveFile>) {
    (1..)
        .zip(states)
        .map(|(id, state)| {
            let span = Span {
                first_seq: id * 5,
                last_seq: id * 5 + 4,
                first_time_us: id * DAY_US,
                last_time_us: (id + 1) * DAY_US - 1,
            };
            let entry = SegmentEntry {
                segment_id: id,
                state: *state,
                span: Some(span),
                rows: 5,
                bytes: 100,
                opened_at_us: 0,
                sealed_at_us: None,
                archived_at_us: None,
            };
            let file = ArchiveFile {
                path: format!("archive/date=1970-01-0{id}/{id}-1.parquet"),
                segment_id: id,
                date: format!("1970-01-0{id}"),
                rows: 5,
                bytes: 10,
                span,
                sha256: String::new(),
            };
            (entry, file)
        })
        .unzip()
}

fn hold(from_us: i64, to_us: i64) -> Hold {
    Hold {
        hold_id: 1,
        from_us,
        to_us,
        placed: change(),
        released: None,
    }
}

fn change() -> Change {
    Change {
        reason: "a trial".to_owned(),
        by: "counsel".to_owned(),
        at_us: 1,
    }
}

#[test]
fn what_is_old_or_too_much_goes() {
    use SegmentState::{Archived, Dropped, Open, Purged, Sealed};
    let (segments, files) = catalogue(&[Purged, Dropped, Archived, Archived, Sealed, Open]);
    let files = &files[1..4];
    // The day of segment 6.
    let now = 6 * DAY_US;
    let check = |limits: Limits, holds: &[Hold], expected: &[(i64, Deed, Reason)]| {
        let steps: Vec<_> = plan(&segments, files, holds, &limits, now)
            .iter()
            .map(|step| (step.segment_id, step.deed, step.reason))
            .collect();
        assert_eq!(steps, expected, "{limits:?}");
    };
    let none = Limits::default();
    check(none, &[], &[]);

    // By age: until the last row is old enough, and only what is archived.
    let hot_age = |days| Limits {
        hot_age_us: Some(days * DAY_US),
        ..none
    };
    check(
        hot_age(0),
        &[],
        &[
            (3, Deed::Drop, Reason::HotAge),
            (4, Deed::Drop, Reason::HotAge),
        ],
    );
    check(hot_age(2), &[], &[(3, Deed::Drop, Reason::HotAge)]);
    check(hot_age(3), &[], &[]);
    let total_age = |days| Limits {
        total_age_us: Some(days * DAY_US),
        ..none
    };
    check(total_age(4), &[], &[]);
    check(total_age(3), &[], &[(2, Deed::Purge, Reason::TotalAge)]);
    check(
        Limits {
            hot_age_us: Some(DAY_US),
            ..total_age(2)
        },
        &[],
        &[
            (2, Deed::Purge, Reason::TotalAge),
            (3, Deed::Purge, Reason::TotalAge),
            (4, Deed::Drop, Reason::HotAge),
        ],
    );

    // By size: SQLite has four segments, two of which cannot go.
    let hot_bytes = |bytes| Limits {
        hot_bytes: Some(bytes),
        ..none
    };
    check(hot_bytes(400), &[], &[]);
    check(hot_bytes(399), &[], &[(3, Deed::Drop, Reason::HotBytes)]);
    check(
        hot_bytes(0),
        &[],
        &[
            (3, Deed::Drop, Reason::HotBytes),
            (4, Deed::Drop, Reason::HotBytes),
        ],
    );
    let total_bytes = |bytes| Limits {
        total_bytes: Some(bytes),
        ..none
    };
    check(total_bytes(30), &[], &[]);
    check(
        total_bytes(29),
        &[],
        &[(2, Deed::Purge, Reason::TotalBytes)],
    );
    check(
        Limits {
            hot_bytes: Some(399),
            ..total_bytes(19)
        },
        &[],
        // What is purged counts no more.
        &[
            (2, Deed::Purge, Reason::TotalBytes),
            (3, Deed::Purge, Reason::TotalBytes),
        ],
    );
    let excess = |bytes| Limits {
        excess_bytes: bytes,
        ..none
    };
    check(
        excess(11),
        &[],
        &[
            (2, Deed::Purge, Reason::DiskFull),
            (3, Deed::Purge, Reason::DiskFull),
        ],
    );

    // What is held stays, and the next one goes in its place; its rows may still leave SQLite.
    let held = [hold(3 * DAY_US, 3 * DAY_US)];
    check(
        total_bytes(15),
        &held,
        &[
            (2, Deed::Purge, Reason::TotalBytes),
            (3, Deed::Hold, Reason::TotalBytes),
            (4, Deed::Purge, Reason::TotalBytes),
        ],
    );
    check(
        excess(11),
        &held,
        &[
            (2, Deed::Purge, Reason::DiskFull),
            (3, Deed::Hold, Reason::DiskFull),
            (4, Deed::Purge, Reason::DiskFull),
        ],
    );
    check(
        Limits {
            hot_age_us: Some(DAY_US),
            ..total_age(2)
        },
        &held,
        &[
            (2, Deed::Purge, Reason::TotalAge),
            (3, Deed::Hold, Reason::TotalAge),
            (3, Deed::Drop, Reason::HotAge),
            (4, Deed::Drop, Reason::HotAge),
        ],
    );
    let released = [Hold {
        released: Some(change()),
        ..held[0].clone()
    }];
    check(
        total_age(3),
        &released,
        &[(2, Deed::Purge, Reason::TotalAge)],
    );
    check(
        total_age(2),
        &released,
        &[
            (2, Deed::Purge, Reason::TotalAge),
            (3, Deed::Purge, Reason::TotalAge),
        ],
    );
}

#[test]
fn a_hold_covers_both_its_ends() {
    let span = Span {
        first_seq: 1,
        last_seq: 2,
        first_time_us: 10,
        last_time_us: 20,
    };
    for (from_us, to_us, expected) in [
        (0, 9, false),
        (0, 10, true),
        (20, 30, true),
        (21, 30, false),
        (12, 13, true),
    ] {
        assert_eq!(
            hold(from_us, to_us).covers(span),
            expected,
            "{from_us} {to_us}"
        );
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
