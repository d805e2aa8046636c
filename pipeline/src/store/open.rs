//! Opens the database file.
//!
//! Takes the path, gives a connection that is set up and whose file is known to be a trail of a version
//! that we know; a new file is given its tables. It never writes to a file that is something else.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, OptionalExtension as _, Transaction, TransactionBehavior};
use schema::sqlite::{
    APPLICATION_ID, PAGE_SIZE, RETENTION_TABLES, SEGMENTS, SHARED_TABLES, STANDING_TABLES, VERSION,
    create_events_view, create_sessions, upgrade_from,
};

use super::error::{StoreError, sqlite};
use super::{BUSY_TIMEOUT, Sync, WAL_BYTES_KEPT, files};

/// Page cache of a connection that writes, KiB.
const CACHE_KIB: i64 = 64 * 1024;

/// Pages of WAL at which a commit checkpoints by itself (256 MiB). The maintenance connection does it
/// long before; this only bounds the file should it fail to.
const AUTOCHECKPOINT_PAGES: i64 = 8192;

/// What the file holds.
enum Content {
    Nothing,
    Trail,
    Other,
}

/// Opens the trail for writing; makes the file and its tables where there are none.
pub(crate) fn create_or_open(
    path: &Path,
    sync: Sync,
    busy_timeout: Duration,
    now_us: i64,
) -> Result<Connection, StoreError> {
    files::create_database(path)?;
    let mut connection = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE, busy_timeout)?;
    match content(&connection).map_err(sqlite(path, "read the kind of the file"))? {
        Content::Nothing => {
            initialise(&mut connection, now_us).map_err(sqlite(path, "create the tables"))?;
        }
        Content::Trail => {
            let found = version(&connection, path)?;
            upgrade(&mut connection, found).map_err(sqlite(path, "upgrade the tables"))?;
        }
        Content::Other => {
            return Err(StoreError::NotATrail {
                path: path.to_owned(),
            });
        }
    }
    set_up_writer(&connection, sync).map_err(sqlite(path, "set up the connection"))?;
    connection
        .execute_batch(STANDING_TABLES)
        .map_err(sqlite(path, "create the tables"))?;
    Ok(connection)
}

/// Opens an existing trail for writing, for another connection beside the recorder's. It must be of our
/// version: only the holder of the folder may upgrade it.
pub(crate) fn open_writer(path: &Path, sync: Sync) -> Result<Connection, StoreError> {
    let connection = open_existing(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    let found = version(&connection, path)?;
    if found < VERSION {
        return Err(StoreError::Older {
            path: path.to_owned(),
            found,
            known: VERSION,
        });
    }
    set_up_writer(&connection, sync).map_err(sqlite(path, "set up the connection"))?;
    Ok(connection)
}

/// Opens an existing trail for reading; also one of an older version.
pub(crate) fn open_reader(path: &Path) -> Result<Connection, StoreError> {
    open_existing(path, OpenFlags::SQLITE_OPEN_READ_ONLY)
}

fn open_existing(path: &Path, access: OpenFlags) -> Result<Connection, StoreError> {
    match path.try_exists() {
        Ok(true) => {}
        Ok(false) => {
            return Err(StoreError::Missing {
                path: path.to_owned(),
            });
        }
        Err(source) => {
            return Err(StoreError::OpenFile {
                path: path.to_owned(),
                source,
            });
        }
    }
    let connection = connect(path, access, BUSY_TIMEOUT)?;
    match content(&connection).map_err(sqlite(path, "read the kind of the file"))? {
        Content::Nothing => Err(StoreError::Missing {
            path: path.to_owned(),
        }),
        Content::Trail => version(&connection, path).map(|_| connection),
        Content::Other => Err(StoreError::NotATrail {
            path: path.to_owned(),
        }),
    }
}

fn connect(
    path: &Path,
    access: OpenFlags,
    busy_timeout: Duration,
) -> Result<Connection, StoreError> {
    let connection = Connection::open_with_flags(path, access | OpenFlags::SQLITE_OPEN_NO_MUTEX)
        .map_err(sqlite(path, "open the database"))?;
    connection
        .busy_timeout(busy_timeout)
        .map_err(sqlite(path, "set up the connection"))?;
    Ok(connection)
}

fn content(connection: &Connection) -> rusqlite::Result<Content> {
    let application: i32 = connection.query_row("PRAGMA application_id", [], |row| row.get(0))?;
    let objects: i64 =
        connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    Ok(match (application, objects) {
        (0, 0) => Content::Nothing,
        (APPLICATION_ID, 1..) => Content::Trail,
        _ => Content::Other,
    })
}

/// The version of a trail, which is ours or older.
fn version(connection: &Connection, path: &Path) -> Result<i64, StoreError> {
    let found: Option<i64> = connection
        .query_row(
            "SELECT CAST(value AS INTEGER) FROM meta WHERE key = 'schema_version'",
            [],
            |row| row.get(0),
        )
        .optional()
        .map_err(sqlite(path, "read the schema version"))?;
    match found {
        Some(found) if found > VERSION => Err(StoreError::Newer {
            path: path.to_owned(),
            found,
            known: VERSION,
        }),
        Some(found @ 1..) => Ok(found),
        _ => Err(StoreError::NotATrail {
            path: path.to_owned(),
        }),
    }
}

/// Makes a trail of version `found` one of ours; one of ours is left alone.
fn upgrade(connection: &mut Connection, found: i64) -> rusqlite::Result<()> {
    let steps: String = (found..VERSION).filter_map(upgrade_from).collect();
    if steps.is_empty() {
        return Ok(());
    }
    let transaction = Transaction::new(connection, TransactionBehavior::Immediate)?;
    transaction.execute_batch(&steps)?;
    transaction.execute(
        "UPDATE meta SET value = ?1 WHERE key = 'schema_version'",
        [VERSION.to_string()],
    )?;
    transaction.commit()
}

/// The page size holds only when it is set before the first page is written, and WAL keeps it.
fn initialise(connection: &mut Connection, now_us: i64) -> rusqlite::Result<()> {
    connection.pragma_update(None, "page_size", PAGE_SIZE)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    let transaction = Transaction::new(connection, TransactionBehavior::Immediate)?;
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    for tables in [SHARED_TABLES, SEGMENTS, RETENTION_TABLES] {
        transaction.execute_batch(tables)?;
    }
    transaction.execute_batch(&create_sessions())?;
    transaction.execute_batch(&create_events_view(&[]))?;
    transaction.execute(
        "INSERT INTO meta(key, value) VALUES ('schema_version', ?1), ('created_at', ?2), ('created_by', ?3)",
        (VERSION.to_string(), now_us.to_string(), concat!("sqltrail ", env!("CARGO_PKG_VERSION"))),
    )?;
    transaction.commit()
}

fn set_up_writer(connection: &Connection, sync: Sync) -> rusqlite::Result<()> {
    let sync = match sync {
        Sync::Full => "FULL",
        Sync::Normal => "NORMAL",
    };
    connection.pragma_update(None, "synchronous", sync)?;
    connection.pragma_update(None, "cache_size", -CACHE_KIB)?;
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    connection.pragma_update(None, "wal_autocheckpoint", AUTOCHECKPOINT_PAGES)?;
    connection.pragma_update(None, "journal_size_limit", WAL_BYTES_KEPT)
}
