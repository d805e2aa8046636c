//! What happened beside the recorder, and is to be a row of the trail.
//!
//! `seq` is given by whoever holds the folder alone. Anyone else leaves a notice in the transaction of what
//! it did; the holder makes a row of it, and the notice goes in that row's transaction.

use std::path::Path;

use rusqlite::{Connection, params};

use super::error::StoreError;
use super::{Options, Store};
use crate::flow::{Event, Kind};

/// What happened: the `command` of the row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// Rows of a segment are in the archive alone.
    Drop,
    /// A segment is gone.
    Purge,
    /// Times are held.
    Hold,
    /// They are so no more.
    Release,
}

impl What {
    const ALL: [Self; 4] = [Self::Drop, Self::Purge, Self::Hold, Self::Release];

    /// The word that is stored.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Drop => "drop",
            Self::Purge => "purge",
            Self::Hold => "hold",
            Self::Release => "release",
        }
    }
}

/// A row that waits for its `seq`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// Number in its table.
    pub id: i64,
    time_us: i64,
    what: &'static str,
    detail: String,
}

impl Notice {
    /// The row.
    #[must_use]
    pub fn event(self, seq: i64) -> Event {
        Event {
            error_message: Some(self.detail),
            ..Event::new(seq, self.time_us, Kind::Lifecycle, self.what)
        }
    }
}

/// Makes rows of all notices of the trail in `dir`, unless somebody records into it, who does so himself.
///
/// # Errors
/// As [`Store::open`] and [`Store::append`]; the notices stay then.
pub fn tell(dir: &Path, now_us: i64) -> Result<(), StoreError> {
    match Store::open(dir, Options::default(), now_us) {
        Ok(mut store) => store.tell_notices(now_us).map(drop),
        Err(StoreError::InUse { .. }) => Ok(()),
        Err(error) => Err(error),
    }
}

/// Leaves a notice; to be called in the transaction of what happened.
pub(crate) fn put(
    connection: &Connection,
    what: What,
    detail: &str,
    now_us: i64,
) -> rusqlite::Result<()> {
    connection
        .prepare_cached("INSERT INTO notices(time, command, detail) VALUES (?1, ?2, ?3)")?
        .execute(params![now_us, what.as_str(), detail])
        .map(drop)
}

/// All that wait, in order.
pub(crate) fn waiting(connection: &Connection) -> rusqlite::Result<Vec<Notice>> {
    connection
        .prepare_cached("SELECT notice_id, time, command, detail FROM notices ORDER BY notice_id")?
        .query_map([], |row| {
            let word: String = row.get(2)?;
            let known = What::ALL.into_iter().find(|what| what.as_str() == word);
            Ok(Notice {
                id: row.get(0)?,
                time_us: row.get(1)?,
                what: known.map_or("notice", What::as_str),
                detail: row.get(3)?,
            })
        })?
        .collect()
}

/// Notices that are rows now.
pub(crate) fn told(connection: &Connection, ids: &[i64]) -> rusqlite::Result<()> {
    for id in ids {
        connection
            .prepare_cached("DELETE FROM notices WHERE notice_id = ?1")?
            .execute([id])?;
    }
    Ok(())
}
