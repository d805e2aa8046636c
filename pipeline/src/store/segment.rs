//! The segment that is being written, and how segments open and close.
//!
//! Takes a connection inside a transaction; keeps the row in `segments` and the view `events` in step
//! with the tables. Nothing in memory changes before the transaction is committed: a [`Segment`] is
//! cloned, changed, stored, and only then put in the other's place.

use rusqlite::{Connection, OptionalExtension as _, Row, params};
use schema::sqlite::{create_events_view, create_segment};

/// When a segment is closed and the next one opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Rows.
    pub rows_max: i64,
    /// Bytes, as [`Segment::bytes`] counts them.
    pub bytes_max: i64,
    /// Age since it was opened, microseconds.
    pub age_max_us: i64,
}

/// Rows of a segment, by default: about 100 MB of usual statements.
pub const ROWS_MAX: i64 = 1_000_000;

/// Bytes of a segment, by default: 256 MiB.
pub const BYTES_MAX: i64 = 256 * 1024 * 1024;

/// Age of a segment, by default: an hour, so that the archive is never further behind.
pub const AGE_MAX_US: i64 = 3_600_000_000;

impl Default for Limits {
    fn default() -> Self {
        Self {
            rows_max: ROWS_MAX,
            bytes_max: BYTES_MAX,
            age_max_us: AGE_MAX_US,
        }
    }
}

/// The open segment, as `segments` says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Segment {
    pub(crate) id: i64,
    opened_at: i64,
    first_seq: Option<i64>,
    last_seq: Option<i64>,
    first_time: Option<i64>,
    last_time: Option<i64>,
    rows: i64,
    bytes: i64,
}

impl Segment {
    /// The open one, if there is one.
    pub(crate) fn read(connection: &Connection) -> rusqlite::Result<Option<Self>> {
        connection
            .query_row(
                "SELECT segment_id, opened_at, first_seq, last_seq, first_time, last_time, rows, bytes
                 FROM segments WHERE state = 'open' ORDER BY segment_id DESC LIMIT 1",
                [],
                |row: &Row<'_>| {
                    Ok(Self {
                        id: row.get(0)?,
                        opened_at: row.get(1)?,
                        first_seq: row.get(2)?,
                        last_seq: row.get(3)?,
                        first_time: row.get(4)?,
                        last_time: row.get(5)?,
                        rows: row.get(6)?,
                        bytes: row.get(7)?,
                    })
                },
            )
            .optional()
    }

    /// Opens the next one.
    pub(crate) fn create(connection: &Connection, now_us: i64) -> rusqlite::Result<Self> {
        let id = connection.query_row(
            "SELECT coalesce(max(segment_id), 0) + 1 FROM segments",
            [],
            |row| row.get(0),
        )?;
        connection.execute(
            "INSERT INTO segments(segment_id, state, opened_at, first_session)
             VALUES (?1, 'open', ?2, (SELECT max((SELECT coalesce(max(session_key), 0) + 1 FROM sessions),
                                                 (SELECT coalesce(max(first_session), 1) FROM segments))))",
            params![id, now_us],
        )?;
        connection.execute_batch(&create_segment(id))?;
        unite(connection)?;
        Ok(Self {
            id,
            opened_at: now_us,
            first_seq: None,
            last_seq: None,
            first_time: None,
            last_time: None,
            rows: 0,
            bytes: 0,
        })
    }

    /// One that rows are put back into: what it counts is not stored.
    pub(crate) fn uncounted(&self, id: i64) -> Self {
        Self { id, ..self.clone() }
    }

    /// Counts one row.
    pub(crate) fn count(&mut self, seq: i64, time_us: i64, bytes: i64) {
        self.first_seq = self.first_seq.or(Some(seq));
        self.last_seq = Some(seq);
        self.first_time = Some(self.first_time.map_or(time_us, |first| first.min(time_us)));
        self.last_time = Some(self.last_time.map_or(time_us, |last| last.max(time_us)));
        self.rows += 1;
        self.bytes += bytes;
    }

    /// Bytes counted besides those of rows.
    pub(crate) fn count_template(&mut self, bytes: i64) {
        self.bytes += bytes;
    }

    /// Stores the counts.
    pub(crate) fn write(&self, connection: &Connection) -> rusqlite::Result<()> {
        connection
            .prepare_cached(
                "UPDATE segments SET first_seq = ?2, last_seq = ?3, first_time = ?4, last_time = ?5, rows = ?6, bytes = ?7
                 WHERE segment_id = ?1",
            )?
            .execute(params![
                self.id,
                self.first_seq,
                self.last_seq,
                self.first_time,
                self.last_time,
                self.rows,
                self.bytes
            ])
            .map(drop)
    }

    /// Closes it and opens the next one.
    pub(crate) fn seal(&self, connection: &Connection, now_us: i64) -> rusqlite::Result<Self> {
        connection.execute(
            "UPDATE segments SET state = 'sealed', sealed_at = ?2 WHERE segment_id = ?1",
            params![self.id, now_us],
        )?;
        Self::create(connection, now_us)
    }

    /// Whether it has reached a limit; one without rows never has.
    pub(crate) fn is_due(&self, limits: Limits, now_us: i64) -> bool {
        self.rows > 0
            && (self.rows >= limits.rows_max
                || self.bytes >= limits.bytes_max
                || now_us.saturating_sub(self.opened_at) >= limits.age_max_us)
    }

    /// Rows in it.
    pub(crate) fn rows(&self) -> i64 {
        self.rows
    }
}

/// Makes `events` the union of all segments that SQLite has.
pub(crate) fn unite(connection: &Connection) -> rusqlite::Result<()> {
    let segments = connection
        .prepare_cached(
            "SELECT segment_id FROM segments WHERE state NOT IN ('dropped', 'purged') ORDER BY segment_id",
        )?
        .query_map([], |row| row.get(0))?
        .collect::<rusqlite::Result<Vec<i64>>>()?;
    connection.execute_batch(&create_events_view(&segments))
}
