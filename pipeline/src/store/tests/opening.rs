//! What may be opened, what may not, and what is known after opening again.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use rusqlite::Connection;

use super::*;
use crate::store::catalog::Catalog;
use crate::store::error::StoreError;

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn only_the_owner_may_read_what_is_made() {
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("a/b");
    let mut store = open(&dir);
    store
        .append(&batch(vec![query(1, "select 1")]), NOW)
        .unwrap();
    assert_eq!(mode(&dir), 0o700);
    for file in ["audit.db", "audit.db-wal", "audit.db-shm", "lock"] {
        assert_eq!(mode(&dir.join(file)), 0o600, "{file}");
    }
}

#[test]
fn file_is_set_up() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), Options::default(), NOW).unwrap();
    let pragma = |name: &str| -> String {
        store
            .connection
            .query_row(
                &format!("SELECT CAST(\"{name}\" AS TEXT) FROM pragma_{name}"),
                [],
                |row| row.get(0),
            )
            .unwrap()
    };
    assert_eq!(pragma("page_size"), "32768");
    assert_eq!(pragma("journal_mode"), "wal");
    assert_eq!(pragma("synchronous"), "2");
    assert_eq!(
        words(
            dir.path(),
            "SELECT value FROM meta WHERE key = 'schema_version'"
        ),
        ["2"]
    );
}

#[test]
fn opening_again_goes_on_where_it_ended() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = open(dir.path());
    assert_eq!((store.next_seq(), store.ring_position("ring-a")), (1, None));
    store
        .append(
            &batch_to(
                vec![query(1, "select 1"), query(2, "select 'a' where b%2 = 0")],
                4096,
            ),
            NOW,
        )
        .unwrap();
    drop(store);

    let mut store = open(dir.path());
    assert_eq!(
        (
            store.next_seq(),
            store.ring_position("ring-a"),
            store.segment_id()
        ),
        (3, Some(4096), 1)
    );
    store
        .append(
            &batch_to(
                vec![
                    query(3, "select 'c' where b%2 = 1"),
                    query(4, "select now()"),
                ],
                5000,
            ),
            NOW,
        )
        .unwrap();
    assert_eq!(
        texts(dir.path())[2..],
        [
            b"select 'c' where b%2 = 1".to_vec(),
            b"select now()".to_vec()
        ]
    );
    assert_eq!(
        numbers(dir.path(), "SELECT template_id FROM events_1 ORDER BY seq"),
        [1, 2, 2, 3]
    );
    assert_eq!(numbers(dir.path(), "SELECT count(*) FROM sessions"), [1]);
    assert_eq!(numbers(dir.path(), "SELECT count(*) FROM commands"), [1]);
    assert_eq!(numbers(dir.path(), "SELECT rows FROM segments"), [4]);
}

#[test]
fn second_recorder_is_refused_until_the_first_ends() {
    let dir = tempfile::tempdir().unwrap();
    let first = open(dir.path());
    let error = Store::open(dir.path(), options(), NOW).unwrap_err();
    assert!(matches!(error, StoreError::InUse { .. }), "{error}");
    assert!(error.to_string().contains("lock") && error.hint().is_some());
    drop(first);
    open(dir.path());
}

/// Each way in must refuse in the same words.
fn refused(dir: &Path) -> [StoreError; 3] {
    [
        Store::open(dir, options(), NOW).unwrap_err(),
        Reader::open(dir).unwrap_err(),
        Catalog::open(dir).unwrap_err(),
    ]
}

#[test]
fn newer_version_is_refused_and_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    drop(open(dir.path()));
    let path = dir.path().join("audit.db");
    Connection::open(&path)
        .unwrap()
        .execute(
            "UPDATE meta SET value = '3' WHERE key = 'schema_version'",
            [],
        )
        .unwrap();
    let before = fs::read(&path).unwrap();
    for error in refused(dir.path()) {
        assert!(
            matches!(
                error,
                StoreError::Newer {
                    found: 3,
                    known: 2,
                    ..
                }
            ),
            "{error}"
        );
        assert!(error.hint().is_some());
    }
    assert_eq!(fs::read(&path).unwrap(), before);
}

#[test]
fn other_files_are_refused_and_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("audit.db");
    Connection::open(&path)
        .unwrap()
        .execute_batch("CREATE TABLE t(a)")
        .unwrap();
    let other_database = fs::read(&path).unwrap();
    for content in [
        other_database,
        b"this is a text, not a database, though it is long enough to be one".repeat(20),
    ] {
        fs::write(&path, &content).unwrap();
        for error in refused(dir.path()) {
            assert!(matches!(error, StoreError::NotATrail { .. }), "{error}");
        }
        assert_eq!(fs::read(&path).unwrap(), content);
    }
}

#[test]
fn missing_trail_is_told() {
    let dir = tempfile::tempdir().unwrap();
    for error in [
        Reader::open(dir.path()).unwrap_err(),
        Catalog::open(dir.path()).unwrap_err(),
    ] {
        assert!(matches!(error, StoreError::Missing { .. }), "{error}");
    }
    assert!(!dir.path().join("audit.db").exists());
}

#[test]
fn folder_that_cannot_be_made_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, "").unwrap();
    let error = Store::open(&file.join("trail"), options(), NOW).unwrap_err();
    assert!(matches!(error, StoreError::CreateFolder { .. }), "{error}");
    assert!(error.hint().is_some());
}

#[test]
fn empty_file_becomes_a_trail() {
    // What is left when a process dies between making the file and making its tables.
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("audit.db"), "").unwrap();
    open(dir.path())
        .append(&batch(vec![query(1, "select 1")]), NOW)
        .unwrap();
    assert_eq!(texts(dir.path()), [b"select 1"]);
}

#[test]
fn damaged_dictionary_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    open(dir.path())
        .append(
            &batch(vec![query(1, "select 1"), query(2, "select now()")]),
            NOW,
        )
        .unwrap();
    let path = dir.path().join("audit.db");
    Connection::open(&path)
        .unwrap()
        .execute("DELETE FROM templates_1 WHERE template_id = 1", [])
        .unwrap();
    let error = Store::open(dir.path(), options(), NOW).unwrap_err();
    assert!(
        matches!(error, StoreError::Templates { segment_id: 1, .. }),
        "{error}"
    );
}

#[test]
fn reader_cannot_write_and_says_so() {
    let dir = tempfile::tempdir().unwrap();
    drop(open(dir.path()));
    let reader = Reader::open(dir.path()).unwrap();
    let error = reader
        .connection()
        .execute("DELETE FROM meta", [])
        .unwrap_err();
    let error = crate::store::error::sqlite(reader.path(), "delete")(error);
    assert!(matches!(error, StoreError::ReadOnly { .. }), "{error}");
}
