//! Times whose rows are not removed, whatever the limits say.
//!
//! Takes the catalogue, gives and changes its list of holds. A hold is never deleted: it is released.

use rusqlite::{Connection, OptionalExtension as _, Row, Transaction, TransactionBehavior, params};

use super::catalog::{Catalog, Span};
use super::error::{StoreError, sqlite};
use super::notices::{self, What};
use crate::time::shown;

/// A hold. Times are microseconds since the Unix epoch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hold {
    /// Its number.
    pub hold_id: i64,
    /// First moment that is held.
    pub from_us: i64,
    /// Last moment that is held.
    pub to_us: i64,
    /// Why it was placed, by whom, and when.
    pub placed: Change,
    /// Why it was released, by whom, and when; none while it holds.
    pub released: Option<Change>,
}

/// A change of a hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Why.
    pub reason: String,
    /// By whom.
    pub by: String,
    /// When.
    pub at_us: i64,
}

impl Hold {
    /// Whether any of those times is held.
    #[must_use]
    pub fn covers(&self, span: Span) -> bool {
        self.released.is_none()
            && span.first_time_us <= self.to_us
            && span.last_time_us >= self.from_us
    }
}

impl Catalog {
    /// Every hold, in order; also those that are released.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn holds(&self) -> Result<Vec<Hold>, StoreError> {
        list(&self.connection).map_err(sqlite(&self.path, "list the holds"))
    }

    /// Holds the rows from one time to another, both included; gives the hold's number.
    ///
    /// # Errors
    /// What SQLite says; nothing is held then.
    pub fn add_hold(
        &mut self,
        from_us: i64,
        to_us: i64,
        placed: &Change,
    ) -> Result<i64, StoreError> {
        let mut add = || {
            let transaction =
                Transaction::new(&mut self.connection, TransactionBehavior::Immediate)?;
            let id = transaction.query_row(
                "INSERT INTO holds(from_time, to_time, reason, placed_by, placed_at)
                 VALUES (?1, ?2, ?3, ?4, ?5) RETURNING hold_id",
                params![from_us, to_us, placed.reason, placed.by, placed.at_us],
                |row| row.get(0),
            )?;
            let detail = format!(
                "hold {id}, {} to {}, by {}: {}",
                shown(from_us),
                shown(to_us),
                placed.by,
                placed.reason
            );
            notices::put(&transaction, What::Hold, &detail, placed.at_us)?;
            transaction.commit()?;
            Ok(id)
        };
        add().map_err(sqlite(&self.path, "place a hold"))
    }

    /// Releases a hold.
    ///
    /// # Errors
    /// [`StoreError::NoHold`] when none of that number holds; nothing is changed then.
    pub fn release_hold(&mut self, hold_id: i64, released: &Change) -> Result<(), StoreError> {
        let mut release = || {
            let transaction =
                Transaction::new(&mut self.connection, TransactionBehavior::Immediate)?;
            let changed = transaction.execute(
                "UPDATE holds SET release_reason = ?2, released_by = ?3, released_at = ?4
                 WHERE hold_id = ?1 AND released_at IS NULL",
                params![hold_id, released.reason, released.by, released.at_us],
            )?;
            if changed == 0 {
                return Ok(false);
            }
            let detail = format!("hold {hold_id}, by {}: {}", released.by, released.reason);
            notices::put(&transaction, What::Release, &detail, released.at_us)?;
            transaction.commit()?;
            Ok(true)
        };
        match release().map_err(sqlite(&self.path, "release a hold"))? {
            true => Ok(()),
            false => Err(StoreError::NoHold { hold_id }),
        }
    }
}

/// Every hold, in order; for any connection. A trail of version 1 has none.
pub(crate) fn list(connection: &Connection) -> rusqlite::Result<Vec<Hold>> {
    if !connection.table_exists(None, "holds")? {
        return Ok(Vec::new());
    }
    connection
        .prepare_cached(
            "SELECT hold_id, from_time, to_time, reason, placed_by, placed_at,
                    release_reason, released_by, released_at
             FROM holds ORDER BY hold_id",
        )?
        .query_map([], |row| {
            let released_at_us: Option<i64> = row.get(8)?;
            Ok(Hold {
                hold_id: row.get(0)?,
                from_us: row.get(1)?,
                to_us: row.get(2)?,
                placed: change(row, 3)?,
                released: released_at_us.map(|_| change(row, 6)).transpose()?,
            })
        })?
        .collect()
}

/// The number of a hold on any of those times.
pub(crate) fn on(connection: &Connection, span: Span) -> rusqlite::Result<Option<i64>> {
    connection
        .prepare_cached(
            "SELECT hold_id FROM holds WHERE released_at IS NULL AND from_time <= ?2 AND to_time >= ?1",
        )?
        .query_row([span.first_time_us, span.last_time_us], |row| row.get(0))
        .optional()
}

fn change(row: &Row<'_>, first: usize) -> rusqlite::Result<Change> {
    Ok(Change {
        reason: row.get(first)?,
        by: row.get(first + 1)?,
        at_us: row.get(first + 2)?,
    })
}
