//! The catalogue of segments and of the files made from them, and the upkeep of the database file.
//!
//! Takes the folder, gives a second connection beside the recorder's: for one that compacts, that
//! checkpoints, or that only looks. It never writes an event, and never touches the open segment.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, Row, Transaction, TransactionBehavior, params};

use super::error::{StoreError, sqlite};
use super::{Sync, files, open};

/// A segment, as `segments` says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SegmentEntry {
    /// Number; the tables are `events_<n>`, `templates_<n>` and the view `rows_<n>`.
    pub segment_id: i64,
    /// What has become of it.
    pub state: SegmentState,
    /// `seq` and time (microseconds since the epoch) of its rows; none while it has no rows.
    pub span: Option<Span>,
    /// Rows.
    pub rows: i64,
    /// Bytes of its rows and templates, estimated.
    pub bytes: i64,
    /// When it was opened, microseconds since the epoch.
    pub opened_at_us: i64,
    /// When it was sealed.
    pub sealed_at_us: Option<i64>,
    /// When it was archived.
    pub archived_at_us: Option<i64>,
}

/// First and last of the rows of a segment or a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// Lowest `seq`.
    pub first_seq: i64,
    /// Highest `seq`.
    pub last_seq: i64,
    /// Earliest time, microseconds since the epoch.
    pub first_time_us: i64,
    /// Latest time, microseconds since the epoch.
    pub last_time_us: i64,
}

/// The life of a segment, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SegmentState {
    /// Rows are added.
    Open,
    /// Its rows are final.
    Sealed,
    /// Parquet files hold the same rows.
    Archived,
    /// SQLite holds its rows no more.
    Dropped,
    /// Nothing holds its rows any more; a tombstone says so.
    Purged,
}

impl SegmentState {
    /// The word that is stored.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Sealed => "sealed",
            Self::Archived => "archived",
            Self::Dropped => "dropped",
            Self::Purged => "purged",
        }
    }

    /// The state behind a stored word; the table allows no other word.
    pub(super) fn of(word: &str) -> Self {
        match word {
            "open" => Self::Open,
            "sealed" => Self::Sealed,
            "archived" => Self::Archived,
            "dropped" => Self::Dropped,
            _ => Self::Purged,
        }
    }

    /// Whether SQLite has its rows.
    #[must_use]
    pub fn is_hot(self) -> bool {
        match self {
            Self::Open | Self::Sealed | Self::Archived => true,
            Self::Dropped | Self::Purged => false,
        }
    }
}

/// A Parquet file of the archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArchiveFile {
    /// Path relative to the trail's folder.
    pub path: String,
    /// The segment it was made from.
    pub segment_id: i64,
    /// Day of its rows, UTC, `YYYY-MM-DD`.
    pub date: String,
    /// Rows in it.
    pub rows: i64,
    /// Its size.
    pub bytes: i64,
    /// First and last of its rows.
    pub span: Span,
    /// SHA-256 of its bytes, hexadecimal.
    pub sha256: String,
}

/// What a checkpoint did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Checkpoint {
    /// Pages that were in the WAL.
    pub wal_pages: i64,
    /// How many of them the database file now has.
    pub done_pages: i64,
}

/// A connection for upkeep.
#[derive(Debug)]
pub struct Catalog {
    pub(super) connection: Connection,
    pub(super) path: PathBuf,
}

impl Catalog {
    /// Opens the trail in `dir`, which must exist. One of an older version is upgraded, unless somebody
    /// records into it.
    ///
    /// # Errors
    /// [`StoreError::Missing`] where there is none; else as a recorder's own opening.
    pub fn open(dir: &Path) -> Result<Self, StoreError> {
        let path = files::database(dir);
        let connection = match open::open_writer(&path, Sync::Full) {
            Err(older @ StoreError::Older { .. }) => match files::FolderLock::take(dir) {
                Ok(_held) => open::create_or_open(&path, Sync::Full, super::BUSY_TIMEOUT, 0)?,
                Err(StoreError::InUse { .. }) => return Err(older),
                Err(error) => return Err(error),
            },
            opened => opened?,
        };
        Ok(Self { connection, path })
    }

    /// The connection, to read a segment's rows with.
    #[must_use]
    pub fn connection(&self) -> &Connection {
        &self.connection
    }

    /// Path of the database, for messages.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Copies what is in the WAL into the database file, as far as no reader needs it there; neither
    /// waits for anybody nor holds up the recorder.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn checkpoint(&self) -> Result<Checkpoint, StoreError> {
        self.connection
            .query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |row| {
                Ok(Checkpoint {
                    wal_pages: row.get(1)?,
                    done_pages: row.get(2)?,
                })
            })
            .map_err(sqlite(&self.path, "checkpoint"))
    }

    /// Begins the WAL anew in an empty file, if everything in it is in the database file and nobody reads it.
    /// Neither waits for anybody nor holds up the recorder.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn empty_wal(&self) -> Result<(), StoreError> {
        let empty = || {
            self.connection.busy_timeout(Duration::ZERO)?;
            let emptied = self
                .connection
                .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
            self.connection.busy_timeout(super::BUSY_TIMEOUT)?;
            match emptied {
                Err(error) if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) => Ok(()),
                emptied => emptied,
            }
        };
        empty().map_err(sqlite(&self.path, "begin the write-ahead log anew"))
    }

    /// Every segment, in order.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn segments(&self) -> Result<Vec<SegmentEntry>, StoreError> {
        segments(&self.connection).map_err(sqlite(&self.path, "list the segments"))
    }

    /// Segments that wait to be archived, in order: those in which no statement runs any more.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn sealed_segments(&self) -> Result<Vec<SegmentEntry>, StoreError> {
        let unfinished = unfinished_segments(&self.connection)
            .map_err(sqlite(&self.path, "look for running statements"))?;
        let mut segments = self.segments()?;
        segments.retain(|segment| {
            segment.state == SegmentState::Sealed && !unfinished.contains(&segment.segment_id)
        });
        Ok(segments)
    }

    /// Every file of the archive, in order of its rows.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn archive_files(&self) -> Result<Vec<ArchiveFile>, StoreError> {
        archive_files(&self.connection).map_err(sqlite(&self.path, "list the archive"))
    }

    /// Makes a sealed segment an archived one, together with the list of its files: one transaction.
    ///
    /// # Errors
    /// [`StoreError::SegmentState`] when the segment is not sealed; nothing is changed then.
    pub fn mark_archived(
        &mut self,
        segment_id: i64,
        files: &[ArchiveFile],
        now_us: i64,
    ) -> Result<(), StoreError> {
        let changed = mark_archived(&mut self.connection, segment_id, files, now_us)
            .map_err(sqlite(&self.path, "mark a segment archived"))?;
        if changed {
            Ok(())
        } else {
            Err(StoreError::SegmentState {
                segment_id,
                needed: "sealed",
            })
        }
    }
}

/// Every segment, in order; for any connection.
///
/// # Errors
/// What SQLite says.
pub fn segments(connection: &Connection) -> rusqlite::Result<Vec<SegmentEntry>> {
    connection
        .prepare_cached(
            "SELECT segment_id, state, first_seq, last_seq, first_time, last_time, rows, bytes,
                    opened_at, sealed_at, archived_at
             FROM segments ORDER BY segment_id",
        )?
        .query_map([], |row| {
            let first_seq: Option<i64> = row.get(2)?;
            Ok(SegmentEntry {
                segment_id: row.get(0)?,
                state: SegmentState::of(row.get_ref(1)?.as_str()?),
                span: first_seq.map(|_| span(row, 2)).transpose()?,
                rows: row.get(6)?,
                bytes: row.get(7)?,
                opened_at_us: row.get(8)?,
                sealed_at_us: row.get(9)?,
                archived_at_us: row.get(10)?,
            })
        })?
        .collect()
}

/// Every file of the archive, in order of its rows; for any connection.
///
/// # Errors
/// What SQLite says.
pub fn archive_files(connection: &Connection) -> rusqlite::Result<Vec<ArchiveFile>> {
    connection
        .prepare_cached(
            "SELECT path, segment_id, date, rows, bytes, first_seq, last_seq, first_time, last_time, sha256
             FROM archive_files ORDER BY first_seq, path",
        )?
        .query_map([], |row| {
            Ok(ArchiveFile {
                path: row.get(0)?,
                segment_id: row.get(1)?,
                date: row.get(2)?,
                rows: row.get(3)?,
                bytes: row.get(4)?,
                span: span(row, 5)?,
                sha256: row.get(9)?,
            })
        })?
        .collect()
}

/// Segments with rows that may still change. A trail that was never recorded into by this version has
/// no such table, and no such rows.
fn unfinished_segments(connection: &Connection) -> rusqlite::Result<Vec<i64>> {
    if !connection.table_exists(None, "running")? {
        return Ok(Vec::new());
    }
    connection
        .prepare("SELECT DISTINCT segment_id FROM running")?
        .query_map([], |row| row.get(0))?
        .collect()
}

fn mark_archived(
    connection: &mut Connection,
    segment_id: i64,
    files: &[ArchiveFile],
    now_us: i64,
) -> rusqlite::Result<bool> {
    let transaction = Transaction::new(connection, TransactionBehavior::Immediate)?;
    let changed = transaction.execute(
        "UPDATE segments SET state = 'archived', archived_at = ?2 WHERE segment_id = ?1 AND state = 'sealed'",
        params![segment_id, now_us],
    )?;
    if changed == 0 {
        return Ok(false);
    }
    for file in files {
        transaction.execute(
            "INSERT INTO archive_files(path, segment_id, date, rows, bytes,
                                       first_seq, last_seq, first_time, last_time, sha256)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
            params![
                file.path,
                segment_id,
                file.date,
                file.rows,
                file.bytes,
                file.span.first_seq,
                file.span.last_seq,
                file.span.first_time_us,
                file.span.last_time_us,
                file.sha256
            ],
        )?;
    }
    transaction.commit()?;
    Ok(true)
}

pub(super) fn span(row: &Row<'_>, first: usize) -> rusqlite::Result<Span> {
    Ok(Span {
        first_seq: row.get(first)?,
        last_seq: row.get(first + 1)?,
        first_time_us: row.get(first + 2)?,
        last_time_us: row.get(first + 3)?,
    })
}
