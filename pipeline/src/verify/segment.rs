//! A segment's table against its entry.
//!
//! Takes a connection and the entry, gives what is wrong and the files that its rows should be in.

use std::path::Path;

use rusqlite::Connection;

use super::invariant::{Invariant, Violation};
use super::{VerifyError, bad_row};
use crate::compact::plan::{self, Part};
use crate::compact::rows;
use crate::store::catalog::{SegmentEntry, Span};
use crate::store::error::sqlite;

/// Checks a segment that SQLite has; none when its table is missing.
pub(super) fn check(
    connection: &Connection,
    path: &Path,
    entry: &SegmentEntry,
    found: &mut Vec<Violation>,
) -> Result<Option<Vec<Part>>, VerifyError> {
    let id = entry.segment_id;
    let first = entry.span.map(|span| span.first_seq);
    let exists = connection
        .table_exists(None, format!("events_{id}").as_str())
        .map_err(sqlite(path, "look for a segment"))?;
    if !exists {
        let detail = format!("segment {id} has no table");
        found.push(Violation::new(Invariant::Segment, first, detail));
        return Ok(None);
    }
    let (count, span) = measure(connection, id).map_err(sqlite(path, "measure a segment"))?;
    if (count, span) != (entry.rows, entry.span) {
        let seq = span
            .map(|span| span.first_seq)
            .into_iter()
            .chain(first)
            .min();
        found.push(Violation::new(
            Invariant::Segment,
            seq,
            format!(
                "segment {id} has {count} rows, or others, where its entry says {}",
                entry.rows
            ),
        ));
    }
    if let Some(span) = entry.span {
        let gap = gap(connection, id, span).map_err(sqlite(path, "read a segment"))?;
        found.extend(gap.map(|seq| {
            Violation::new(
                Invariant::Sequence,
                seq,
                format!("segment {id} lacks event {seq}"),
            )
        }));
    }
    let parts = plan::parts(id, &rows::days(connection, id)?)?;
    for part in &parts {
        match rows::read(connection, part, |_| Ok(())) {
            Ok(_) => {}
            Err(error) => match bad_row(&error) {
                Some(seq) => {
                    found.push(Violation::new(Invariant::Row, seq, error.to_string()));
                }
                None => return Err(error.into()),
            },
        }
    }
    Ok(Some(parts))
}

/// A segment that SQLite has no more must have no table.
pub(super) fn remains(
    connection: &Connection,
    path: &Path,
    entry: &SegmentEntry,
) -> Result<Option<Violation>, VerifyError> {
    let id = entry.segment_id;
    let exists = connection
        .table_exists(None, format!("events_{id}").as_str())
        .map_err(sqlite(path, "look for a segment"))?;
    Ok(exists.then(|| {
        let detail = format!("segment {id} is {}, and has a table", entry.state.as_str());
        Violation::new(
            Invariant::Retain,
            entry.span.map(|span| span.first_seq),
            detail,
        )
    }))
}

fn measure(connection: &Connection, id: i64) -> rusqlite::Result<(i64, Option<Span>)> {
    connection.query_row(
        &format!("SELECT count(*), min(seq), max(seq), min(time), max(time) FROM events_{id}"),
        [],
        |row| {
            let count: i64 = row.get(0)?;
            if count == 0 {
                return Ok((0, None));
            }
            let span = Span {
                first_seq: row.get(1)?,
                last_seq: row.get(2)?,
                first_time_us: row.get(3)?,
                last_time_us: row.get(4)?,
            };
            Ok((count, Some(span)))
        },
    )
}

/// The lowest `seq` of a span that the table lacks.
fn gap(connection: &Connection, id: i64, span: Span) -> rusqlite::Result<Option<i64>> {
    let mut statement = connection.prepare(&format!("SELECT seq FROM events_{id} ORDER BY seq"))?;
    let mut rows = statement.query([])?;
    let mut expected = span.first_seq;
    while let Some(row) = rows.next()? {
        let seq: i64 = row.get(0)?;
        if seq > expected {
            return Ok(Some(expected));
        }
        expected = seq + 1;
    }
    Ok((expected <= span.last_seq).then_some(expected))
}
