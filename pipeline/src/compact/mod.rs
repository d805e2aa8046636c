//! Sealed segments become Parquet files.
//!
//! Takes the trail's folder and a [`Catalog`] of one's own, gives the files that were made; never
//! touches the open segment, nor removes a row from SQLite.
//!
//! ```text
//! plan (pure: one part for each UTC date) > rows (SQLite > RecordBatch) > execute (file, then catalogue)
//! ```
//!
//! # Design
//!
//! A part is written to `.<segment>-<n>.parquet.tmp` in the folder where it shall be, synced, renamed,
//! and the folder is synced; when all parts of a segment are there, one transaction marks it archived
//! and lists them. A crash before that transaction leaves files that no catalogue row names; since
//! the same rows give the same bytes, doing it again puts the same files in their place.
//! Memory depends on [`rows::BATCH_ROWS`], [`rows::BATCH_BYTES`], the row group and the segment's
//! dictionary of templates, not on the number of rows.

pub mod plan;
pub mod rows;

pub(crate) mod execute;

mod batch;

use std::path::{Path, PathBuf};

pub use crate::store::catalog::ArchiveFile;
use crate::store::catalog::Catalog;
use crate::store::error::StoreError;

/// Why a segment could not be compacted. Nothing is lost: it stays sealed.
#[derive(Debug, thiserror::Error)]
pub enum CompactError {
    /// Another compaction runs in the same folder.
    #[error("another compaction holds {}", path.display())]
    Busy {
        /// The lock file.
        path: PathBuf,
    },
    /// The database does not do its part.
    #[error("cannot use the catalogue")]
    Store(#[from] StoreError),
    /// A segment's rows cannot be read.
    #[error("cannot read segment {segment_id}")]
    Read {
        /// The segment.
        segment_id: i64,
        /// SQLite's words.
        source: rusqlite::Error,
    },
    /// A row refers to something that is not there.
    #[error("event {seq} of segment {segment_id} refers to {table} {key}, which is missing")]
    Dangling {
        /// The segment.
        segment_id: i64,
        /// The event.
        seq: i64,
        /// The dictionary.
        table: &'static str,
        /// The number that it does not have.
        key: i64,
    },
    /// A field of a row is not what it must be.
    #[error("event {seq} of segment {segment_id} has a bad {field}")]
    BadField {
        /// The segment.
        segment_id: i64,
        /// The event.
        seq: i64,
        /// The field.
        field: &'static str,
    },
    /// A time that no calendar has.
    #[error("segment {segment_id} has a row {day} days from 1970-01-01, which is no date")]
    NoDate {
        /// The segment.
        segment_id: i64,
        /// Days since the Unix epoch.
        day: i64,
    },
    /// A file of the archive cannot be made.
    #[error("cannot {doing} {}", path.display())]
    File {
        /// What was being done.
        doing: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The Parquet writer does not take the rows.
    #[error("cannot write rows of segment {segment_id} as parquet")]
    Parquet {
        /// The segment.
        segment_id: i64,
        /// The writer's words.
        source: parquet::errors::ParquetError,
    },
    /// Rows that do not fit the schema.
    #[error("rows of segment {segment_id} do not fit the schema")]
    Schema {
        /// The segment.
        segment_id: i64,
        /// Arrow's words.
        source: arrow_schema::ArrowError,
    },
    /// Not as many rows were written as the segment has.
    #[error("{path} would have {found} rows where segment {segment_id} has {expected}")]
    RowCount {
        /// The segment.
        segment_id: i64,
        /// The file.
        path: String,
        /// Rows that were planned.
        expected: i64,
        /// Rows that were read.
        found: i64,
    },
}

impl CompactError {
    /// One thing to try, for a person. That of a [`StoreError`] is its own.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Busy { .. } => {
                Some("the recorder compacts by itself; try again when it has done so")
            }
            Self::File { .. } => {
                Some("check the space on the disk, and who may write to the folder")
            }
            Self::Dangling { .. } | Self::BadField { .. } | Self::NoDate { .. } => Some(
                "the segment stays in SQLite as it is; check the database with: pragma integrity_check",
            ),
            Self::Store(_)
            | Self::Read { .. }
            | Self::Parquet { .. }
            | Self::Schema { .. }
            | Self::RowCount { .. } => None,
        }
    }
}

/// Compacts every sealed segment of the trail in `dir`, oldest first; gives the files made, in order.
///
/// `now_us` (microseconds since the Unix epoch) is when the catalogue says that it happened; it is in no file.
///
/// # Errors
/// The first that happens; segments done before it stay done. [`CompactError::Busy`] when another
/// thread or process compacts the same trail.
pub fn run(
    dir: &Path,
    catalog: &mut Catalog,
    now_us: i64,
) -> Result<Vec<ArchiveFile>, CompactError> {
    let _held = execute::lock(dir)?;
    execute::sweep(dir)?;
    let mut files = Vec::new();
    for segment_id in plan::due(&catalog.sealed_segments()?) {
        files.extend(execute::segment(dir, catalog, segment_id, now_us)?);
    }
    Ok(files)
}

#[cfg(test)]
mod tests;
