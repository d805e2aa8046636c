//! Reads back where a trail ended.
//!
//! Takes a connection, gives what a recorder keeps in memory: the open segment, its dictionary and the
//! positions of rings. It writes nothing but the first segment of a new trail.

use std::collections::HashMap;
use std::path::Path;

use rusqlite::{Connection, Row, Transaction, TransactionBehavior};
use schema::sqlite::select_templates;

use super::error::{StoreError, sqlite};
use super::segment::Segment;
use super::sessions;
use crate::dedup::classify::Class;
use crate::dedup::dictionary::{Dictionary, Limits};
use crate::dedup::fingerprint::Fingerprint;

/// Number of the first template of a segment.
pub(crate) const FIRST_TEMPLATE: i64 = 1;

/// The open segment; a new one where there is none.
pub(crate) fn open_segment(connection: &mut Connection, now_us: i64) -> rusqlite::Result<Segment> {
    if let Some(segment) = Segment::read(connection)? {
        return Ok(segment);
    }
    let transaction = Transaction::new(connection, TransactionBehavior::Immediate)?;
    let segment = Segment::create(&transaction, now_us)?;
    transaction.commit()?;
    Ok(segment)
}

/// How far each ring is accounted for.
pub(crate) fn ring(connection: &Connection) -> rusqlite::Result<HashMap<String, u64>> {
    let mut statement = connection.prepare("SELECT ring_id, position FROM ring")?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get::<_, i64>(1)?)))?;
    rows.map(|row| row.map(|(ring_id, position)| (ring_id, position.unsigned_abs())))
        .collect()
}

/// The dictionary of a segment as it was when the segment was last written.
pub(crate) fn templates(
    connection: &Connection,
    path: &Path,
    segment_id: i64,
    limits: Limits,
) -> Result<Dictionary, StoreError> {
    let failed = || sqlite(path, "read the templates");
    let mut dictionary = Dictionary::new(limits, FIRST_TEMPLATE);
    let mut statement = connection
        .prepare(&select_templates(segment_id))
        .map_err(failed())?;
    let mut rows = statement.query([]).map_err(failed())?;
    while let Some(row) = rows.next().map_err(failed())? {
        let id = restore(row, &mut dictionary).map_err(failed())?;
        if id != Some(row.get(0).map_err(failed())?) {
            return Err(StoreError::Templates {
                path: path.to_owned(),
                segment_id,
            });
        }
    }
    Ok(dictionary)
}

/// Enters a stored template; gives its number, none when it is not as we store them.
fn restore(row: &Row<'_>, dictionary: &mut Dictionary) -> rusqlite::Result<Option<i64>> {
    let (Some(fingerprint), Some(class)) = (
        Fingerprint::parse(row.get_ref(3)?.as_str()?),
        Class::parse(row.get_ref(4)?.as_str()?),
    ) else {
        return Ok(None);
    };
    let operation = row.get_ref(5)?.as_str_or_null()?.unwrap_or_default();
    let dialect = sessions::dialect(row.get(1)?);
    Ok(Some(dictionary.restore(
        row.get_ref(2)?.as_str()?,
        dialect,
        fingerprint,
        class,
        operation,
    )))
}
