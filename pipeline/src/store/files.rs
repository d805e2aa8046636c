//! The files of a trail.
//!
//! Takes the folder, gives the paths in it, the folder itself, an empty database file and the lock.
//! Nobody but the owner may read what is made here: statements hold secrets.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use super::error::StoreError;

/// Mode of the folder when it is made.
const FOLDER_MODE: u32 = 0o700;

/// Mode of the files; SQLite gives its `-wal` and `-shm` the mode of the database.
const FILE_MODE: u32 = 0o600;

/// Path of the database in a trail's folder.
#[must_use]
pub fn database(dir: &Path) -> PathBuf {
    dir.join("audit.db")
}

/// A lock file of a trail's folder, held until it is dropped or the process ends.
#[derive(Debug)]
pub struct FolderLock {
    /// The system's lock lives as long as this file is open.
    _file: File,
}

impl FolderLock {
    /// Takes `DIR/lock`, which keeps out any second recorder.
    ///
    /// # Errors
    /// [`StoreError::InUse`] when another process has it.
    pub fn take(dir: &Path) -> Result<Self, StoreError> {
        Self::take_file(dir.join("lock"))
    }

    /// Takes the lock file at `path`.
    ///
    /// # Errors
    /// [`StoreError::InUse`] when somebody else has it.
    pub(crate) fn take_file(path: PathBuf) -> Result<Self, StoreError> {
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(FILE_MODE)
            .open(&path)
            .map_err(|source| StoreError::OpenFile {
                path: path.clone(),
                source,
            })?;
        match file.try_lock() {
            Ok(()) => Ok(Self { _file: file }),
            Err(TryLockError::WouldBlock) => Err(StoreError::InUse { path }),
            Err(TryLockError::Error(source)) => Err(StoreError::OpenFile { path, source }),
        }
    }
}

/// Makes the folder and those above it, where they are missing.
pub(crate) fn create_folder(dir: &Path) -> Result<(), StoreError> {
    DirBuilder::new()
        .recursive(true)
        .mode(FOLDER_MODE)
        .create(dir)
        .map_err(|source| StoreError::CreateFolder {
            path: dir.to_owned(),
            source,
        })
}

/// Makes an empty database file where there is none, before SQLite would make one that all may read.
///
/// An existing file is not touched: closing it would take SQLite's locks from this process.
pub(crate) fn create_database(path: &Path) -> Result<(), StoreError> {
    match OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(FILE_MODE)
        .open(path)
    {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        Err(source) => Err(StoreError::OpenFile {
            path: path.to_owned(),
            source,
        }),
    }
}
