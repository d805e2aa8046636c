//! Whether a trail is whole.
//!
//! Takes the trail's folder, gives what does not hold of it; changes nothing. A recorder may run meanwhile: all
//! is read in one transaction.
//!
//! # Design
//!
//! [`invariant`] names what must hold. Rows and files are read as streams, so that memory is that of a batch
//! and of a segment's dictionaries. Each invariant gives its lowest event, since that is where to look.

pub mod invariant;

mod archive;
mod file;
mod segment;

use std::path::{Path, PathBuf};

use rusqlite::Connection;

use self::invariant::{Invariant, Violation};
use crate::compact::CompactError;
use crate::store::catalog::{self, ArchiveFile, SegmentState};
use crate::store::error::{StoreError, sqlite};
use crate::store::reader::Reader;
use crate::store::retention::{self, Tombstone};

/// Why a trail could not be checked.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// The database cannot be read.
    #[error("cannot read the trail")]
    Store(#[from] StoreError),
    /// A segment cannot be read.
    #[error("cannot read the rows of a segment")]
    Rows(#[from] CompactError),
    /// A file or folder of the archive cannot be read.
    #[error("cannot read {}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

/// Checks the trail in `dir`; gives, for each invariant that does not hold, the first event for which.
///
/// # Errors
/// When something cannot be read, so that nothing is known of it.
pub fn run(dir: &Path) -> Result<Vec<Violation>, VerifyError> {
    let reader = Reader::open(dir)?;
    loop {
        let (found, tombstones) = look(dir, &reader)?;
        // A transaction keeps tables, and no files: what is missing may have gone since it began.
        if found.is_empty() || stones(&reader)? == tombstones {
            return Ok(found);
        }
    }
}

fn stones(reader: &Reader) -> Result<Vec<Tombstone>, StoreError> {
    retention::tombstones(reader.connection()).map_err(sqlite(reader.path(), "read the tombstones"))
}

/// What does not hold at one moment, and which segments were gone then.
fn look(dir: &Path, reader: &Reader) -> Result<(Vec<Violation>, Vec<Tombstone>), VerifyError> {
    let connection = reader.connection();
    let path = reader.path();
    let transaction = connection
        .unchecked_transaction()
        .map_err(sqlite(path, "begin to read"))?;
    let failed = "read the catalogue";
    let segments = catalog::segments(connection).map_err(sqlite(path, failed))?;
    let files = catalog::archive_files(connection).map_err(sqlite(path, failed))?;

    let tombstones = stones(reader)?;

    let mut found = invariant::sequence(&segments);
    found.extend(invariant::buried(&segments, &tombstones, &files));
    found.extend(unknown(connection, &files, path)?);
    for entry in &segments {
        let own: Vec<&ArchiveFile> = files
            .iter()
            .filter(|file| file.segment_id == entry.segment_id)
            .collect();
        found.extend(invariant::retained(entry, &own));
        let parts = if entry.state.is_hot() {
            segment::check(connection, path, entry, &mut found)?
        } else {
            found.extend(segment::remains(connection, path, entry)?);
            None
        };
        for file in &own {
            let part = parts
                .as_ref()
                .and_then(|parts| parts.iter().find(|part| part.path() == file.path));
            found.extend(archive::check(dir, connection, file, part)?);
        }
        if entry.state == SegmentState::Archived {
            for part in parts.iter().flatten() {
                if !own.iter().any(|file| file.path == part.path()) {
                    found.push(Violation::new(
                        Invariant::Compact,
                        part.rows.span.first_seq,
                        format!("{} is not in the catalogue", part.path()),
                    ));
                }
            }
        }
    }
    found.extend(archive::strangers(dir, &segments, &files, &tombstones)?);
    drop(transaction);
    Ok((firsts(&found), tombstones))
}

/// Tables and files of segments that the catalogue does not have.
fn unknown(
    connection: &Connection,
    files: &[ArchiveFile],
    path: &Path,
) -> Result<Vec<Violation>, VerifyError> {
    let tables = || {
        connection
            .prepare(
                "SELECT name FROM sqlite_schema WHERE type = 'table' AND name GLOB 'events_[0-9]*'
                 AND substr(name, 8) NOT IN (SELECT CAST(segment_id AS TEXT) FROM segments)",
            )?
            .query_map([], |row| row.get(0))?
            .map(|name| {
                let name: String = name?;
                let seq: Option<i64> =
                    connection.query_row(&format!("SELECT min(seq) FROM {name}"), [], |row| {
                        row.get(0)
                    })?;
                Ok(Violation::new(
                    Invariant::Segment,
                    seq,
                    format!("{name} is not in the catalogue"),
                ))
            })
            .collect::<rusqlite::Result<Vec<Violation>>>()
    };
    let mut found = tables().map_err(sqlite(path, "list the tables"))?;
    let known = catalog::segments(connection).map_err(sqlite(path, "read the catalogue"))?;
    found.extend(
        files
            .iter()
            .filter(|file| {
                known
                    .iter()
                    .all(|entry| entry.segment_id != file.segment_id)
            })
            .map(|file| {
                Violation::new(
                    Invariant::Segment,
                    file.span.first_seq,
                    format!("segment {} of {} is unknown", file.segment_id, file.path),
                )
            }),
    );
    Ok(found)
}

/// The event of a row that cannot be put together.
fn bad_row(error: &CompactError) -> Option<i64> {
    match error {
        CompactError::Dangling { seq, .. } | CompactError::BadField { seq, .. } => Some(*seq),
        _ => None,
    }
}

/// The lowest event of each invariant, in their order.
fn firsts(found: &[Violation]) -> Vec<Violation> {
    Invariant::ALL
        .into_iter()
        .filter_map(|invariant| {
            found
                .iter()
                .filter(|violation| violation.invariant == invariant)
                .min_by_key(|violation| violation.seq.unwrap_or(i64::MAX))
                .cloned()
        })
        .collect()
}

#[cfg(test)]
mod tests;
