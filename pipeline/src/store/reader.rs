//! A trail for those who only read it.
//!
//! Takes the folder, gives a connection that cannot write. Any number of readers may be open beside
//! the recorder; none of them holds it up.

use std::path::{Path, PathBuf};

use rusqlite::Connection;

use super::error::StoreError;
use super::{files, open};

/// A read-only connection to a trail of a version that we know.
#[derive(Debug)]
pub struct Reader {
    connection: Connection,
    path: PathBuf,
}

impl Reader {
    /// Opens the trail in `dir`.
    ///
    /// # Errors
    /// [`StoreError::Missing`] where there is none; else as a recorder's own opening.
    pub fn open(dir: &Path) -> Result<Self, StoreError> {
        let path = files::database(dir);
        let connection = open::open_reader(&path)?;
        Ok(Self { connection, path })
    }

    /// The connection.
    #[must_use]
    pub fn connection(&self) -> &Connection {
        &self.connection
    }

    /// Path of the database, for messages.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}
