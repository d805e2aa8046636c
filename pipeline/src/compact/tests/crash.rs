//! What a crash, a full disk or a second compaction leaves behind.

use std::fs;
use std::path::Path;

use super::{DAY_START_US, compact, events, parquet_rows, trail, view_rows};
use crate::compact::{CompactError, execute, run};
use crate::flow::Batch;
use crate::store::catalog::Catalog;
use crate::store::{Options, Store};

/// Makes the catalogue what it was before the transaction that ends a compaction.
fn forget(dir: &Path) {
    let catalog = Catalog::open(dir).unwrap();
    catalog
        .connection()
        .execute_batch("delete from archive_files; update segments set state = 'sealed' where state = 'archived'")
        .unwrap();
}

#[test]
fn a_crash_before_the_rename_leaves_nothing() {
    let dir = trail(events(|seq| DAY_START_US + seq), Options::default());
    let folder = dir.path().join("archive/date=2026-11-22");
    fs::create_dir_all(&folder).unwrap();
    // A file of a part that will be made, and of one that never will be.
    for name in [".1-1.parquet.tmp", ".9-1.parquet.tmp"] {
        fs::write(folder.join(name), b"half a file").unwrap();
    }
    fs::write(folder.join("9-1.parquet"), b"somebody else's").unwrap();
    let files = compact(dir.path());
    let mut left: Vec<String> = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    left.sort_unstable();
    assert_eq!(left, ["1-1.parquet", "9-1.parquet"]);
    let (rows, _) = parquet_rows(&dir.path().join(&files[0].path));
    assert_eq!(rows, view_rows(dir.path()));
}

#[test]
fn a_crash_before_the_catalogue_knows_is_done_again_with_the_same_bytes() {
    let dir = trail(events(|seq| DAY_START_US + seq), Options::default());
    let first = compact(dir.path());
    let path = dir.path().join(&first[0].path);
    let bytes = fs::read(&path).unwrap();
    forget(dir.path());
    let mut catalog = Catalog::open(dir.path()).unwrap();
    let second = run(dir.path(), &mut catalog, 5_000_000).unwrap();
    assert_eq!(second, first);
    assert_eq!(catalog.archive_files().unwrap(), first);
    assert!(fs::read(&path).unwrap() == bytes, "the file differs");
}

#[test]
fn a_file_that_cannot_be_made_leaves_the_segment_sealed() {
    let dir = trail(events(|seq| DAY_START_US + seq), Options::default());
    fs::create_dir_all(
        dir.path()
            .join("archive/date=2026-11-22/1-1.parquet/in the way"),
    )
    .unwrap();
    let mut catalog = Catalog::open(dir.path()).unwrap();
    let error = run(dir.path(), &mut catalog, 4).unwrap_err().to_string();
    assert!(
        error.starts_with("cannot rename to") && error.ends_with("1-1.parquet"),
        "{error}"
    );
    assert_eq!(catalog.sealed_segments().unwrap().len(), 1);
    assert!(catalog.archive_files().unwrap().is_empty());
}

#[test]
fn a_row_that_refers_to_nothing_stops_it() {
    let dir = trail(events(|seq| DAY_START_US + seq), Options::default());
    let mut catalog = Catalog::open(dir.path()).unwrap();
    catalog
        .connection()
        .execute_batch("delete from templates_1 where template_id = 1")
        .unwrap();
    let error = run(dir.path(), &mut catalog, 4).unwrap_err().to_string();
    assert_eq!(
        error,
        "event 1 of segment 1 refers to template 1, which is missing"
    );
    assert_eq!(catalog.sealed_segments().unwrap().len(), 1);
    let left = fs::read_dir(dir.path().join("archive/date=2026-11-22"))
        .unwrap()
        .count();
    assert_eq!(left, 0);
}

#[test]
fn two_compactions_do_not_meet() {
    let dir = trail(events(|seq| DAY_START_US + seq), Options::default());
    let held = execute::lock(dir.path()).unwrap();
    let mut catalog = Catalog::open(dir.path()).unwrap();
    assert!(matches!(
        run(dir.path(), &mut catalog, 4),
        Err(CompactError::Busy { .. })
    ));
    drop(held);
    assert_eq!(run(dir.path(), &mut catalog, 4).unwrap().len(), 1);
}

#[test]
fn an_open_segment_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = Store::open(dir.path(), Options::default(), 1).unwrap();
    store
        .append(
            &Batch {
                events: events(|seq| DAY_START_US + seq),
                ring: None,
            },
            2,
        )
        .unwrap();
    assert!(compact(dir.path()).is_empty());
    let sealed = store.seal(3).unwrap();
    // The recorder goes on while its last segment is compacted.
    let files = compact(dir.path());
    assert_eq!(
        files.iter().map(|file| file.segment_id).collect::<Vec<_>>(),
        Vec::from_iter(sealed)
    );
}
