//! The files of a trail.
//!
//! Takes the folder, gives the paths in it, the folder itself, an empty database file and the lock.
//! Nobody but the owner may read what is made here: statements hold secrets.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

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

/// The process that has `DIR/lock`: the recorder of this trail, if one runs. 0 is one that cannot be
/// seen from here.
#[must_use]
pub fn lock_holder(dir: &Path) -> Option<u32> {
    let inode = dir.join("lock").metadata().ok()?.ino();
    holder(&std::fs::read_to_string("/proc/locks").ok()?, inode)
}

/// Processes that read a snapshot of the trail in `dir` right now, but for this one. Those that cannot be seen
/// from here are not among them.
#[must_use]
pub fn snapshot_readers(dir: &Path) -> Vec<u32> {
    let shared = database(dir).with_extension("db-shm");
    let (Ok(file), Ok(locks)) = (shared.metadata(), std::fs::read_to_string("/proc/locks")) else {
        return Vec::new();
    };
    let mut readers = readers(&locks, file.ino());
    readers.retain(|pid| *pid != std::process::id());
    readers
}

/// Who reads a snapshot, by SQLite's locks on the bytes of the shared-memory file `inode` (<https://sqlite.org/walformat.html>).
fn readers(locks: &str, inode: u64) -> Vec<u32> {
    const READ_MARKS: std::ops::RangeInclusive<u64> = 123..=127;
    let mut readers: Vec<u32> = locks
        .lines()
        .filter_map(|line| {
            let fields: Vec<&str> = line.split_ascii_whitespace().collect();
            let [_, "POSIX", _, "READ", pid, file, start, ..] = fields.as_slice() else {
                return None;
            };
            let is_mark = READ_MARKS.contains(&start.parse().ok()?);
            let found = file.rsplit(':').next()?.parse::<u64>().ok()?;
            (found == inode && is_mark).then(|| pid.parse().ok())?
        })
        .collect();
    readers.sort_unstable();
    readers.dedup();
    readers
}

/// Who has a lock on the whole of the file `inode`, as proc_locks(5) shows them.
fn holder(locks: &str, inode: u64) -> Option<u32> {
    locks.lines().find_map(|line| {
        // Number, kind, mode, access, process, `major:minor:inode`; a waiting one has `->` before its kind.
        let fields: Vec<&str> = line.split_ascii_whitespace().collect();
        let [_, "FLOCK", _, "WRITE", pid, file, ..] = fields.as_slice() else {
            return None;
        };
        let found = file.rsplit(':').next()?.parse::<u64>().ok()?;
        (found == inode).then(|| pid.parse().unwrap_or(0))
    })
}

/// SHA-256 of the file's bytes, hexadecimal.
pub(crate) fn sha256(mut file: &File) -> io::Result<String> {
    let mut hash = Sha256::new();
    let mut bytes = vec![0; 1 << 16];
    loop {
        match file.read(&mut bytes)? {
            0 => return Ok(format!("{:x}", hash.finalize())),
            count => hash.update(&bytes[..count]),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_recorder_has_the_lock() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(lock_holder(folder.path()), None);
        let lock = FolderLock::take(folder.path()).unwrap();
        assert_eq!(lock_holder(folder.path()), Some(std::process::id()));
        drop(lock);
        assert_eq!(lock_holder(folder.path()), None);
    }

    #[test]
    fn who_reads_a_snapshot_has_a_lock_on_a_mark() {
        let locks = "1: POSIX  ADVISORY  READ  10 fe:00:77 124 124\n\
                     2: POSIX  ADVISORY  READ  10 fe:00:77 128 128\n\
                     3: POSIX  ADVISORY  READ  11 fe:00:77 128 128\n\
                     4: POSIX  ADVISORY  WRITE 12 fe:00:77 123 123\n\
                     5: POSIX  ADVISORY  READ  13 fe:00:78 124 124\n\
                     6: POSIX  ADVISORY  READ  9 fe:00:77 123 123\n";
        assert_eq!(readers(locks, 77), [9, 10]);
    }

    #[test]
    fn only_a_held_lock_of_that_very_file_counts() {
        let locks = "1: POSIX  ADVISORY  WRITE 10 fe:00:77 0 EOF\n\
                     2: FLOCK  ADVISORY  READ 11 fe:00:77 0 EOF\n\
                     3: FLOCK  ADVISORY  WRITE 12 fe:00:770 0 EOF\n\
                     4: -> FLOCK  ADVISORY  WRITE 13 fe:00:77 0 EOF\n\
                     5: FLOCK  ADVISORY  WRITE -1 fe:00:78 0 EOF\n\
                     not a lock\n";
        assert_eq!(holder(locks, 77), None);
        assert_eq!(holder(locks, 770), Some(12));
        assert_eq!(holder(locks, 78), Some(0));
    }
}
