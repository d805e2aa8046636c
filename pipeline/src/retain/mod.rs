//! Segments go when they are old, or too many.
//!
//! Takes the trail's folder, a [`Catalog`] of one's own and the limits, gives what went. Whole segments go,
//! and only those that are archived; what cannot be archived stays.
//!
//! ```text
//! plan (pure: which segments, and why) > execute (tables or tombstone in one transaction, then files)
//! ```
//!
//! # Design
//!
//! Hot retention drops a segment's rows from SQLite, after its files were found to be those that were written.
//! Total retention puts a tombstone in the place of the segment, in one transaction with all that the
//! catalogue knows of it; only then are its files removed, and only then does the tombstone say so. A crash in
//! between leaves a tombstone that says nothing of the kind, and the next run removes the files.

pub mod plan;

mod execute;

use std::path::{Path, PathBuf};

use rusqlite::Connection;

use self::plan::{Limits, Step};
use crate::compact::CompactError;
use crate::store::catalog::{self, Catalog};
use crate::store::error::{StoreError, sqlite};
use crate::store::holds;

/// Why something did not go.
#[derive(Debug, thiserror::Error)]
pub enum RetainError {
    /// The database does not do its part.
    #[error("cannot use the catalogue")]
    Store(#[from] StoreError),
    /// The archive cannot be had for oneself, or a folder of it does not become durable.
    #[error("cannot use the archive")]
    Archive(#[from] CompactError),
    /// A file of a segment is not the one that was written, so its rows stay in SQLite.
    #[error("{} is not the file that was written: {found}", path.display())]
    NotWhole {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        found: String,
    },
    /// A path that no file of the archive has.
    #[error("{path:?} is no path of the archive, and is not removed")]
    Path {
        /// As the database has it.
        path: String,
    },
    /// A file cannot be removed.
    #[error("cannot remove {}", path.display())]
    Remove {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

impl RetainError {
    /// One thing to try, for a person. That of what stands behind it is its own.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::NotWhole { .. } | Self::Path { .. } => {
                Some("`sqltrail verify` says what else is wrong; the rows stay where they are")
            }
            Self::Remove { .. } => Some("check who may write to the folder; the next run goes on"),
            Self::Store(_) | Self::Archive(_) => None,
        }
    }
}

/// What a run did.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Steps that are done, in order.
    pub done: Vec<Step>,
    /// Those that are not; the others went on.
    pub failed: Vec<RetainError>,
}

/// What would go from a trail as it stands; `path` is its database's, for messages.
///
/// # Errors
/// What SQLite says.
pub fn look(
    connection: &Connection,
    path: &Path,
    limits: &Limits,
    now_us: i64,
) -> Result<Vec<Step>, StoreError> {
    let read = || {
        Ok(plan::plan(
            &catalog::segments(connection)?,
            &catalog::archive_files(connection)?,
            &holds::list(connection)?,
            limits,
            now_us,
        ))
    };
    read().map_err(sqlite(path, "read the catalogue"))
}

/// Lets go what the limits say, and ends what a former run could not. `by` says who runs it, and with which
/// settings.
///
/// # Errors
/// What keeps it from beginning. [`CompactError::Busy`] when somebody compacts, or lets go, the same trail.
pub fn run(
    dir: &Path,
    catalog: &mut Catalog,
    limits: &Limits,
    by: &str,
    now_us: i64,
) -> Result<Outcome, RetainError> {
    let _held = crate::compact::execute::lock(dir)?;
    let steps = look(catalog.connection(), catalog.path(), limits, now_us)?;
    execute::run(dir, catalog, &steps, by, now_us)
}

#[cfg(test)]
mod tests;
