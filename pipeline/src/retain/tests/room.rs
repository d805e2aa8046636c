//! The database file does not grow with what has gone.

use std::path::Path;
use std::sync::Arc;

use super::{START_US, seqs};
use crate::compact;
use crate::flow::{Batch, Dialect, Event, Kind, Session, Text};
use crate::retain::{plan::Limits, run};
use crate::store::catalog::Catalog;
use crate::store::{Options, Store, Sync, reader::Reader};
use crate::verify;

/// Pages of the database file, and how many of them are used.
fn pages(dir: &Path) -> (i64, i64) {
    let reader = Reader::open(dir).unwrap();
    let pragma = |name| {
        reader
            .connection()
            .query_row(&format!("PRAGMA {name}"), [], |row| row.get::<_, i64>(0))
            .unwrap()
    };
    let pages = pragma("page_count");
    (pages, pages - pragma("freelist_count"))
}

#[test]
fn what_is_dropped_makes_room_for_what_comes() {
    const ROWS: i64 = 2000;
    let limits = Limits {
        hot_age_us: Some(2 * ROWS),
        ..Limits::default()
    };
    let dir = tempfile::tempdir().unwrap();
    let options = Options {
        sync: Sync::Normal,
        ..Options::default()
    };
    let mut store = Store::open(dir.path(), options, 1).unwrap();
    let mut catalog = Catalog::open(dir.path()).unwrap();
    let mut sizes = Vec::new();
    for _ in 0..12 {
        let first = store.next_seq();
        let events = (first..first + ROWS)
            .map(|seq| {
                let session = Session {
                    // Each is of a connection of its own, as with clients that never stay.
                    session_id: format!("{seq:x}.1"),
                    db_user: Some("alice".to_owned()),
                    ..session()
                };
                let bytes = format!("select {seq} from t{}", seq % 50).into_bytes();
                Event {
                    session: Some(Arc::new(session)),
                    text: Some(Text {
                        len: bytes.len() as u64,
                        bytes,
                        truncated: false,
                    }),
                    ..Event::new(seq, START_US + seq, Kind::Query, "simple")
                }
            })
            .collect();
        store.append(&Batch { events, ring: None }, 2).unwrap();
        store.seal(3).unwrap();
        compact::run(dir.path(), &mut catalog, 4).unwrap();
        let now = START_US + store.next_seq();
        run(dir.path(), &mut catalog, &limits, "a test", now).unwrap();
        // A view with rows of what is left, right away.
        let seqs = seqs(dir.path());
        assert_eq!(seqs.last().copied(), Some(first + ROWS - 1));
        assert!(seqs.len() <= 3 * usize::try_from(ROWS).unwrap());
        sizes.push(pages(dir.path()));
    }
    // Once a segment goes for each that comes, the file grows no more.
    let (most, _) = sizes[4];
    assert!(
        sizes[4..].iter().all(|(pages, _)| *pages <= most + 4),
        "{sizes:?}"
    );
    assert!(
        sizes[4..].iter().all(|(pages, used)| used <= pages),
        "{sizes:?}"
    );
    assert_eq!(verify::run(dir.path()).unwrap(), []);
}

fn session() -> Session {
    Session {
        db_system_name: "postgresql".to_owned(),
        server_version: None,
        host_name: "box".to_owned(),
        server_pid: 42,
        session_id: String::new(),
        db_user: None,
        db_namespace: None,
        client_address: None,
        client_port: None,
        application_name: None,
        dialect: Dialect::Postgres,
    }
}
