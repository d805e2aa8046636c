//! Trails that former versions made are opened, found whole, and gone on with, for ever.
//!
//! `testdata/stores/v<schema version>` holds a trail of each version that was ever released, as its recorder
//! left it: an archived segment and an open one, of PostgreSQL and MariaDB. None is ever changed.

#![allow(clippy::unwrap_used, reason = "a test ends at what is unexpected")]

use std::{
    fs,
    path::{Path, PathBuf},
};

use sqltrail::{
    compact,
    flow::{Batch, Event, Kind},
    store::{
        Options, Store, catalog::Catalog, error::StoreError, files::FolderLock, reader::Reader,
    },
    verify,
};

/// A day after the stores were made, microseconds since the Unix epoch.
const NOW_US: i64 = 1_795_900_000_000_000;

fn stores() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/stores");
    let mut stores: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    stores.sort();
    stores
}

/// Copies a folder with all that is in it.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}

/// Of each kind and status how many rows there are, and the last `seq`.
fn rows(dir: &Path) -> (Vec<(String, String, i64)>, i64) {
    let reader = Reader::open(dir).unwrap();
    let kinds = reader
        .connection()
        .prepare("SELECT kind, status, count(*) FROM events WHERE command <> 'later' GROUP BY 1, 2 ORDER BY 1, 2")
        .unwrap()
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap();
    let last = reader
        .connection()
        .query_row("SELECT max(seq) FROM events", [], |row| row.get(0))
        .unwrap();
    (kinds, last)
}

#[test]
fn every_version_is_opened_and_gone_on_with() {
    let stores = stores();
    assert!(!stores.is_empty());
    for made in stores {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join("trail");
        copy(&made, &dir);
        let mut store = Store::open(&dir, Options::default(), NOW_US).unwrap();
        assert_eq!(verify::run(&dir).unwrap(), [], "{}", made.display());
        let (kinds, last) = rows(&dir);
        let known: Vec<_> = kinds
            .iter()
            .map(|(kind, status, count)| (kind.as_str(), status.as_str(), *count))
            .collect();
        assert_eq!(
            known,
            [
                ("connect", "ok", 4),
                ("disconnect", "ok", 4),
                ("lifecycle", "ok", 9),
                ("query", "error", 2),
                ("query", "ok", 38),
            ],
            "{}",
            made.display()
        );

        let event = Event::new(store.next_seq(), NOW_US, Kind::Lifecycle, "later");
        assert_eq!(event.seq, last + 1);
        let batch = Batch {
            events: vec![event],
            ring: None,
        };
        store.append(&batch, NOW_US).unwrap();
        store.seal(NOW_US).unwrap();
        drop(store);
        let files = compact::run(&dir, &mut Catalog::open(&dir).unwrap(), NOW_US).unwrap();
        assert_eq!(files.len(), 2, "two days");
        assert_eq!(verify::run(&dir).unwrap(), [], "{}", made.display());
        assert_eq!(rows(&dir), (kinds, last + 1));
    }
}

fn text(dir: &Path, sql: &str) -> String {
    let reader = Reader::open(dir).unwrap();
    reader
        .connection()
        .query_row(sql, [], |row| row.get(0))
        .unwrap()
}

const VERSION: &str = "SELECT value FROM meta WHERE key = 'schema_version'";

/// DDL of all that is not a segment's.
const SHARED: &str = "SELECT group_concat(sql, char(10)) FROM
    (SELECT sql FROM sqlite_schema WHERE name NOT GLOB '*_[0-9]*' AND name <> 'events' ORDER BY name)";

#[test]
fn every_version_is_read_as_it_is_and_upgraded_by_who_has_the_folder() {
    let new = tempfile::tempdir().unwrap();
    drop(Store::open(new.path(), Options::default(), NOW_US).unwrap());
    for made in stores() {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join("trail");
        copy(&made, &dir);
        let before = text(&dir, VERSION);
        assert_eq!(verify::run(&dir).unwrap(), [], "{}", made.display());
        assert_eq!(
            text(&dir, VERSION),
            before,
            "who only reads changes nothing"
        );

        let is_old = before != text(new.path(), VERSION);
        let held = FolderLock::take(&dir).unwrap();
        match Catalog::open(&dir) {
            Ok(_) => assert!(!is_old, "{}", made.display()),
            Err(StoreError::Older { .. }) => assert!(is_old, "{}", made.display()),
            Err(error) => panic!("{error}"),
        }
        assert_eq!(text(&dir, VERSION), before, "somebody records into it");
        drop(held);

        drop(Catalog::open(&dir).unwrap());
        assert_eq!(text(&dir, VERSION), text(new.path(), VERSION));
        drop(Store::open(&dir, Options::default(), NOW_US).unwrap());
        assert_eq!(
            text(&dir, SHARED),
            text(new.path(), SHARED),
            "{}",
            made.display()
        );
    }
}
