//! Segments fill, close, and are archived.

use super::*;
use crate::store::catalog::{ArchiveFile, Catalog, SegmentState, Span};
use crate::store::error::StoreError;
use crate::store::segment::Limits;

fn with_limits(dir: &Path, segment: Limits) -> Store {
    Store::open(
        dir,
        Options {
            segment,
            ..options()
        },
        NOW,
    )
    .unwrap()
}

const NO_LIMITS: Limits = Limits {
    rows_max: i64::MAX,
    bytes_max: i64::MAX,
    age_max_us: i64::MAX,
};

#[test]
fn segment_is_sealed_by_rows() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = with_limits(
        dir.path(),
        Limits {
            rows_max: 3,
            ..NO_LIMITS
        },
    );
    let sealed: Vec<Option<i64>> = (1..=7)
        .map(|seq| {
            store
                .append(&batch(vec![query(seq, format!("select {seq}"))]), NOW)
                .unwrap()
                .sealed
        })
        .collect();
    assert_eq!(sealed, [None, None, Some(1), None, None, Some(2), None]);
    assert_eq!(
        numbers(dir.path(), "SELECT seq FROM events"),
        [1, 2, 3, 4, 5, 6, 7]
    );
    assert_eq!(numbers(dir.path(), "SELECT seq FROM rows_2"), [4, 5, 6]);
    // Each segment has templates of its own.
    assert_eq!(
        numbers(dir.path(), "SELECT template_id FROM templates_3"),
        [1]
    );
    assert_eq!(texts(dir.path())[6], b"select 7");
}

#[test]
fn segment_is_sealed_by_bytes() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = with_limits(
        dir.path(),
        Limits {
            bytes_max: 10_000,
            ..NO_LIMITS
        },
    );
    let literal = format!("select '{}'", "x".repeat(4000));
    assert_eq!(
        store
            .append(&batch(vec![query(1, &literal), query(2, &literal)]), NOW)
            .unwrap()
            .sealed,
        None
    );
    assert_eq!(
        store
            .append(&batch(vec![query(3, &literal)]), NOW)
            .unwrap()
            .sealed,
        Some(1)
    );
}

#[test]
fn segment_is_sealed_by_age_but_not_without_rows() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = with_limits(
        dir.path(),
        Limits {
            age_max_us: 60,
            ..NO_LIMITS
        },
    );
    assert_eq!(store.seal_if_due(NOW + 100).unwrap(), None);
    assert_eq!(
        store
            .append(&batch(vec![query(1, "select 1")]), NOW + 59)
            .unwrap()
            .sealed,
        None
    );
    assert_eq!(store.seal_if_due(NOW + 59).unwrap(), None);
    assert_eq!(store.seal_if_due(NOW + 60).unwrap(), Some(1));
    assert_eq!(
        store
            .append(&batch(vec![query(2, "select 1")]), NOW + 121)
            .unwrap()
            .sealed,
        Some(2)
    );
    assert_eq!(store.seal(NOW + 122).unwrap(), None);
    assert_eq!(store.segment_id(), 3);
}

#[test]
fn failed_seal_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = open(dir.path());
    store
        .append(&batch(vec![query(1, "select 1")]), NOW)
        .unwrap();
    let before = dump(dir.path());
    store
        .connection
        .execute_batch("CREATE TEMP TRIGGER fails BEFORE INSERT ON segments BEGIN SELECT RAISE(ABORT, 'x'); END")
        .unwrap();
    store.seal(NOW).unwrap_err();
    assert_eq!(dump(dir.path()), before);
    store
        .connection
        .execute_batch("DROP TRIGGER fails")
        .unwrap();
    store
        .append(&batch(vec![query(2, "select 2")]), NOW)
        .unwrap();
    assert_eq!(store.seal(NOW).unwrap(), Some(1));
}

#[test]
fn catalogue_tells_the_life_of_a_segment() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = open(dir.path());
    let late = Event {
        time_us: NOW - 1000,
        ..query(2, "select 2")
    };
    store
        .append(
            &batch(vec![query(1, "select 1"), late, query(3, "select 3")]),
            NOW,
        )
        .unwrap();
    store.seal(NOW + 5).unwrap();

    let mut catalog = Catalog::open(dir.path()).unwrap();
    let span = Span {
        first_seq: 1,
        last_seq: 3,
        first_time_us: NOW - 1000,
        last_time_us: NOW + 3,
    };
    let [sealed] = &catalog.sealed_segments().unwrap()[..] else {
        panic!("not one sealed segment")
    };
    assert_eq!(
        (sealed.segment_id, sealed.state, sealed.rows),
        (1, SegmentState::Sealed, 3)
    );
    assert_eq!(
        (sealed.span, sealed.opened_at_us, sealed.sealed_at_us),
        (Some(span), NOW, Some(NOW + 5))
    );
    assert!(sealed.bytes > 3 * 8);
    let states: Vec<&str> = catalog
        .segments()
        .unwrap()
        .into_iter()
        .map(|segment| segment.state.as_str())
        .collect();
    assert_eq!(states, ["sealed", "open"]);

    let file = ArchiveFile {
        path: "archive/date=2026-11-22/1-0.parquet".to_owned(),
        segment_id: 1,
        date: "2026-11-22".to_owned(),
        rows: 3,
        bytes: 999,
        span,
        sha256: "ab".repeat(32),
    };
    // The same file twice breaks the list of files, so the segment stays as it was.
    catalog
        .mark_archived(1, &[file.clone(), file.clone()], NOW + 6)
        .unwrap_err();
    assert_eq!(catalog.sealed_segments().unwrap().len(), 1);
    assert_eq!(catalog.archive_files().unwrap(), []);

    catalog
        .mark_archived(1, std::slice::from_ref(&file), NOW + 7)
        .unwrap();
    assert_eq!(catalog.archive_files().unwrap(), [file]);
    assert_eq!(catalog.segments().unwrap()[0].archived_at_us, Some(NOW + 7));
    for segment_id in [1, 2, 99] {
        let error = catalog.mark_archived(segment_id, &[], NOW).unwrap_err();
        assert!(matches!(error, StoreError::SegmentState { .. }), "{error}");
    }
    // Its rows stay where they can be asked for, and the recorder goes on.
    store
        .append(&batch(vec![query(4, "select 4")]), NOW)
        .unwrap();
    assert_eq!(numbers(dir.path(), "SELECT count(*) FROM events"), [4]);
}

#[test]
fn checkpoint_moves_the_wal_into_the_file() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = open(dir.path());
    let catalog = Catalog::open(dir.path()).unwrap();
    store
        .append(
            &batch(
                (1..=500)
                    .map(|seq| query(seq, format!("select {seq}")))
                    .collect(),
            ),
            NOW,
        )
        .unwrap();
    let done = catalog.checkpoint().unwrap();
    assert!(done.wal_pages > 0);
    assert_eq!(done.done_pages, done.wal_pages);
    // All of it is copied, so the next commit begins the WAL anew.
    store
        .append(&batch(vec![query(501, "select 501")]), NOW)
        .unwrap();
    assert!(catalog.checkpoint().unwrap().wal_pages < done.wal_pages);
}

#[test]
fn view_unites_more_segments_than_one_compound_can() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = with_limits(
        dir.path(),
        Limits {
            rows_max: 1,
            ..NO_LIMITS
        },
    );
    for seq in 1..=520 {
        store
            .append(&batch(vec![query(seq, "select 1")]), NOW)
            .unwrap();
    }
    assert_eq!(numbers(dir.path(), "SELECT count(*) FROM events"), [520]);
    assert_eq!(
        words(
            dir.path(),
            "SELECT db_query_text FROM events WHERE seq IN (1, 300, 520)"
        ),
        ["select 1"; 3]
    );
    if let Some(count) = system_sqlite3(
        dir.path(),
        "SELECT count(*), max(db_query_text) FROM events",
    ) {
        assert_eq!(count.trim(), "520|select 1");
    }
}
