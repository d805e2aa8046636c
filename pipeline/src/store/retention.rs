//! How segments go, as far as the database is concerned.
//!
//! Takes the catalogue and a segment, changes both in one transaction with the notice that it happened.
//! It removes no file: it says which are to go, and remembers that until they are gone.

use rusqlite::{Connection, Transaction, TransactionBehavior, params};
use schema::sqlite::drop_segment;

use super::catalog::{self, Catalog, SegmentEntry, SegmentState, Span};
use super::error::{StoreError, sqlite};
use super::notices::{self, What};
use super::{holds, segment};
use crate::time::shown;

/// Why something goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Why {
    /// The limit that says so.
    pub reason: &'static str,
    /// Who runs it, and with which settings.
    pub by: String,
}

/// What is left of a segment that is gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tombstone {
    /// The segment.
    pub segment_id: i64,
    /// First and last of its rows.
    pub span: Span,
    /// Rows.
    pub rows: i64,
    /// Why it went.
    pub reason: String,
    /// By whom.
    pub by: String,
    /// When, microseconds since the epoch.
    pub purged_at_us: i64,
    /// When its files were gone; none while some may be there.
    pub removed_at_us: Option<i64>,
}

/// What became of a wish to purge.
enum Purge {
    Done,
    NotArchived,
    Held(i64),
}

impl Catalog {
    /// Drops the rows of an archived segment from SQLite.
    ///
    /// # Errors
    /// [`StoreError::SegmentState`] when it is not archived; nothing is changed then.
    pub fn drop_rows(&mut self, segment_id: i64, why: &Why, now_us: i64) -> Result<(), StoreError> {
        let done = drop_rows(&mut self.connection, segment_id, why, now_us)
            .map_err(sqlite(&self.path, "drop a segment's rows"))?;
        if done {
            Ok(())
        } else {
            Err(StoreError::SegmentState {
                segment_id,
                needed: "archived",
            })
        }
    }

    /// Puts a tombstone in the place of a segment; its files are to be removed then.
    ///
    /// # Errors
    /// [`StoreError::Held`], also when the hold was placed a moment ago, and [`StoreError::SegmentState`];
    /// nothing is changed then.
    pub fn purge(&mut self, segment_id: i64, why: &Why, now_us: i64) -> Result<(), StoreError> {
        match purge(&mut self.connection, segment_id, why, now_us)
            .map_err(sqlite(&self.path, "purge a segment"))?
        {
            Purge::Done => Ok(()),
            Purge::NotArchived => Err(StoreError::SegmentState {
                segment_id,
                needed: "archived",
            }),
            Purge::Held(hold_id) => Err(StoreError::Held {
                segment_id,
                hold_id,
            }),
        }
    }

    /// Segments that are gone and whose files may still be there, with the paths of these.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn unremoved(&self) -> Result<Vec<(i64, Vec<String>)>, StoreError> {
        let list = || {
            let mut files = self.connection.prepare_cached(
                "SELECT path FROM purged_files WHERE segment_id = ?1 ORDER BY path",
            )?;
            self.connection
                .prepare_cached(
                    "SELECT segment_id FROM tombstones WHERE removed_at IS NULL ORDER BY segment_id",
                )?
                .query_map([], |row| row.get(0))?
                .map(|id| {
                    let id: i64 = id?;
                    let paths = files.query_map([id], |row| row.get(0))?;
                    Ok((id, paths.collect::<rusqlite::Result<_>>()?))
                })
                .collect::<rusqlite::Result<_>>()
        };
        list().map_err(sqlite(&self.path, "list the purged files"))
    }

    /// Notes that the files of a purged segment are gone.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn mark_removed(&mut self, segment_id: i64, now_us: i64) -> Result<(), StoreError> {
        self.connection
            .execute(
                "UPDATE tombstones SET removed_at = ?2 WHERE segment_id = ?1 AND removed_at IS NULL",
                params![segment_id, now_us],
            )
            .map(drop)
            .map_err(sqlite(&self.path, "note that files are removed"))
    }

    /// Forgets sessions and statements that only rows that went have referred to.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn forget(&mut self) -> Result<(), StoreError> {
        let mut forget = || {
            let transaction =
                Transaction::new(&mut self.connection, TransactionBehavior::Immediate)?;
            transaction.execute(
                "DELETE FROM sessions WHERE session_key <
                   (SELECT min(first_session) FROM segments WHERE state NOT IN ('dropped', 'purged'))",
                [],
            )?;
            transaction.execute(
                "DELETE FROM statements WHERE last_seen < (SELECT coalesce(min(first_time), ?1)
                   FROM segments WHERE state <> 'purged')",
                [i64::MAX],
            )?;
            transaction.commit()
        };
        forget().map_err(sqlite(&self.path, "forget sessions and statements"))
    }
}

/// Every tombstone, in order; for any connection. A trail of version 1 has none.
pub(crate) fn tombstones(connection: &Connection) -> rusqlite::Result<Vec<Tombstone>> {
    if !connection.table_exists(None, "tombstones")? {
        return Ok(Vec::new());
    }
    connection
        .prepare_cached(
            "SELECT segment_id, first_seq, last_seq, first_time, last_time, rows, reason, purged_by,
                    purged_at, removed_at
             FROM tombstones ORDER BY segment_id",
        )?
        .query_map([], |row| {
            Ok(Tombstone {
                segment_id: row.get(0)?,
                span: catalog::span(row, 1)?,
                rows: row.get(5)?,
                reason: row.get(6)?,
                by: row.get(7)?,
                purged_at_us: row.get(8)?,
                removed_at_us: row.get(9)?,
            })
        })?
        .collect()
}

fn drop_rows(
    connection: &mut Connection,
    segment_id: i64,
    why: &Why,
    now_us: i64,
) -> rusqlite::Result<bool> {
    let transaction = Transaction::new(connection, TransactionBehavior::Immediate)?;
    let Some((entry, span)) = of_state(&transaction, segment_id, &[SegmentState::Archived])? else {
        return Ok(false);
    };
    transaction.execute(
        "UPDATE segments SET state = 'dropped', dropped_at = ?2 WHERE segment_id = ?1",
        params![segment_id, now_us],
    )?;
    drop_tables(&transaction, segment_id)?;
    notices::put(&transaction, What::Drop, &told(&entry, span, why), now_us)?;
    transaction.commit()?;
    Ok(true)
}

fn purge(
    connection: &mut Connection,
    segment_id: i64,
    why: &Why,
    now_us: i64,
) -> rusqlite::Result<Purge> {
    let transaction = Transaction::new(connection, TransactionBehavior::Immediate)?;
    let states = [SegmentState::Archived, SegmentState::Dropped];
    let Some((entry, span)) = of_state(&transaction, segment_id, &states)? else {
        return Ok(Purge::NotArchived);
    };
    if let Some(hold_id) = holds::on(&transaction, span)? {
        return Ok(Purge::Held(hold_id));
    }
    transaction.execute(
        "INSERT INTO tombstones(segment_id, first_seq, last_seq, rows, first_time, last_time,
                                reason, purged_by, purged_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        params![
            segment_id,
            span.first_seq,
            span.last_seq,
            entry.rows,
            span.first_time_us,
            span.last_time_us,
            why.reason,
            why.by,
            now_us
        ],
    )?;
    transaction.execute(
        "INSERT INTO purged_files(path, segment_id, rows, bytes, sha256)
         SELECT path, segment_id, rows, bytes, sha256 FROM archive_files WHERE segment_id = ?1",
        [segment_id],
    )?;
    transaction.execute(
        "DELETE FROM archive_files WHERE segment_id = ?1",
        [segment_id],
    )?;
    transaction.execute(
        "UPDATE segments SET state = 'purged', purged_at = ?2 WHERE segment_id = ?1",
        params![segment_id, now_us],
    )?;
    if entry.state.is_hot() {
        drop_tables(&transaction, segment_id)?;
    }
    notices::put(&transaction, What::Purge, &told(&entry, span, why), now_us)?;
    transaction.commit()?;
    Ok(Purge::Done)
}

/// A segment with rows, if it is in one of those states.
fn of_state(
    connection: &Connection,
    segment_id: i64,
    states: &[SegmentState],
) -> rusqlite::Result<Option<(SegmentEntry, Span)>> {
    let segments = catalog::segments(connection)?;
    Ok(segments
        .into_iter()
        .find(|entry| entry.segment_id == segment_id && states.contains(&entry.state))
        .and_then(|entry| entry.span.map(|span| (entry, span))))
}

/// Drops the tables of a segment, whose entry says already that they are gone.
fn drop_tables(connection: &Connection, segment_id: i64) -> rusqlite::Result<()> {
    segment::unite(connection)?;
    connection.execute_batch(&drop_segment(segment_id))
}

fn told(entry: &SegmentEntry, span: Span, why: &Why) -> String {
    format!(
        "segment {}, seq {} to {}, {} rows, {} to {}: {}, by {}",
        entry.segment_id,
        span.first_seq,
        span.last_seq,
        entry.rows,
        shown(span.first_time_us),
        shown(span.last_time_us),
        why.reason,
        why.by
    )
}
