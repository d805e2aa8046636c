//! What can go wrong with a trail on disk.
//!
//! Takes SQLite's and the system's errors, gives one variant for each thing that a person can do about
//! it. A message names the file; it never holds text of a statement.

use std::path::{Path, PathBuf};

use rusqlite::ErrorCode;

/// Why the store could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The folder cannot be made.
    #[error("cannot create the folder {}", path.display())]
    CreateFolder {
        /// The folder.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file in the folder cannot be made or opened.
    #[error("cannot open {}", path.display())]
    OpenFile {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// There is no trail in the folder.
    #[error("no trail at {}", path.display())]
    Missing {
        /// The database that would be it.
        path: PathBuf,
    },
    /// Another process records into the folder.
    #[error("{} is held by another process", path.display())]
    InUse {
        /// The lock file.
        path: PathBuf,
    },
    /// Another process holds the database's own lock for longer than we wait.
    #[error("{} is locked by another process", path.display())]
    Locked {
        /// The database.
        path: PathBuf,
        /// SQLite's words.
        source: rusqlite::Error,
    },
    /// The database cannot be written.
    #[error("{} is read-only", path.display())]
    ReadOnly {
        /// The database.
        path: PathBuf,
        /// SQLite's words.
        source: rusqlite::Error,
    },
    /// No space is left.
    #[error("no space is left for {}", path.display())]
    DiskFull {
        /// The database.
        path: PathBuf,
        /// SQLite's words.
        source: rusqlite::Error,
    },
    /// The file, or one beside it, cannot be opened.
    #[error("cannot open the database {}", path.display())]
    CannotOpen {
        /// The database.
        path: PathBuf,
        /// SQLite's words.
        source: rusqlite::Error,
    },
    /// The file is damaged.
    #[error("{} is damaged", path.display())]
    Damaged {
        /// The database.
        path: PathBuf,
        /// SQLite's words.
        source: rusqlite::Error,
    },
    /// The file is something else.
    #[error("{} is not a sqltrail database", path.display())]
    NotATrail {
        /// The file.
        path: PathBuf,
    },
    /// A newer sqltrail made the file.
    #[error("{} has schema version {found}; this sqltrail knows up to {known}", path.display())]
    Newer {
        /// The database.
        path: PathBuf,
        /// Its version.
        found: i64,
        /// Ours.
        known: i64,
    },
    /// An older sqltrail made the file, and nobody has upgraded it.
    #[error("{} has schema version {found}, and is not yet upgraded to {known}", path.display())]
    Older {
        /// The database.
        path: PathBuf,
        /// Its version.
        found: i64,
        /// Ours.
        known: i64,
    },
    /// A segment's dictionary is not as we store it.
    #[error("the templates of segment {segment_id} in {} are damaged", path.display())]
    Templates {
        /// The database.
        path: PathBuf,
        /// The segment.
        segment_id: i64,
    },
    /// Rows that do not continue the trail.
    #[error("event {found} cannot follow: the trail goes on with {expected}")]
    Sequence {
        /// The `seq` that had to come.
        expected: i64,
        /// The `seq` that came.
        found: i64,
    },
    /// A segment that is not in the state that the operation needs.
    #[error("segment {segment_id} is not {needed}")]
    SegmentState {
        /// The segment.
        segment_id: i64,
        /// The state that it had to be in.
        needed: &'static str,
    },
    /// A segment with times that are held.
    #[error("segment {segment_id} is held by hold {hold_id}")]
    Held {
        /// The segment.
        segment_id: i64,
        /// The hold.
        hold_id: i64,
    },
    /// There is no such hold, or it is released.
    #[error("no hold {hold_id} is in force")]
    NoHold {
        /// Its number.
        hold_id: i64,
    },
    /// A value that SQLite's integers cannot hold.
    #[error("{what} is too large to be stored")]
    TooLarge {
        /// What it counts.
        what: &'static str,
    },
    /// Anything else that SQLite says.
    #[error("cannot {doing} in {}", path.display())]
    Sqlite {
        /// The database.
        path: PathBuf,
        /// What was being done.
        doing: &'static str,
        /// SQLite's words.
        source: rusqlite::Error,
    },
}

impl StoreError {
    /// One thing to try, for a person.
    #[must_use]
    pub fn hint(&self) -> Option<&str> {
        match self {
            Self::CreateFolder { .. } | Self::OpenFile { .. } | Self::CannotOpen { .. } => {
                Some("choose a folder that this user may write with --dir, or run as root")
            }
            Self::Missing { .. } => {
                Some("name the folder of a recording with --dir, or start one: sqltrail record")
            }
            Self::InUse { .. } => {
                Some("stop the other sqltrail, or record into another folder with --dir")
            }
            Self::Locked { .. } => {
                Some("end the sqlite3 session or program that writes to it, then try again")
            }
            Self::ReadOnly { .. } => {
                Some("check the owner and mode of the file, and whether the disk is mounted ro")
            }
            Self::DiskFull { .. } => {
                Some("free space, or record into a folder on another disk with --dir")
            }
            Self::Damaged { .. } | Self::Templates { .. } => {
                Some("move the file away and start anew; sqlite3's .recover may save its rows")
            }
            Self::NotATrail { .. } => Some("choose another folder with --dir"),
            Self::Newer { .. } => Some("use the newer sqltrail"),
            Self::Older { .. } => {
                Some("an older sqltrail records into it: start `sqltrail record` of this version")
            }
            Self::Held { .. } => Some("`sqltrail hold list` says why, and by whom"),
            Self::NoHold { .. } => Some("`sqltrail hold list` has them all"),
            Self::Sequence { .. }
            | Self::SegmentState { .. }
            | Self::TooLarge { .. }
            | Self::Sqlite { .. } => None,
        }
    }

    /// Whether the same call may succeed later, with nothing lost meanwhile.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Locked { .. }
            | Self::DiskFull { .. }
            | Self::ReadOnly { .. }
            | Self::CannotOpen { .. } => true,
            Self::Sqlite { source, .. } => {
                source.sqlite_error_code() == Some(ErrorCode::SystemIoFailure)
            }
            Self::CreateFolder { .. }
            | Self::OpenFile { .. }
            | Self::Missing { .. }
            | Self::InUse { .. }
            | Self::Damaged { .. }
            | Self::Templates { .. }
            | Self::NotATrail { .. }
            | Self::Newer { .. }
            | Self::Older { .. }
            | Self::Sequence { .. }
            | Self::SegmentState { .. }
            | Self::Held { .. }
            | Self::NoHold { .. }
            | Self::TooLarge { .. } => false,
        }
    }
}

/// Names the file and the deed of an error of SQLite; for `map_err`.
pub(crate) fn sqlite(
    path: &Path,
    doing: &'static str,
) -> impl FnOnce(rusqlite::Error) -> StoreError {
    move |source| {
        let path = path.to_owned();
        match source.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
                StoreError::Locked { path, source }
            }
            Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => {
                StoreError::ReadOnly { path, source }
            }
            Some(ErrorCode::DiskFull) => StoreError::DiskFull { path, source },
            Some(ErrorCode::CannotOpen) => StoreError::CannotOpen { path, source },
            Some(ErrorCode::DatabaseCorrupt) => StoreError::Damaged { path, source },
            Some(ErrorCode::NotADatabase) => StoreError::NotATrail { path },
            _ => StoreError::Sqlite {
                path,
                doing,
                source,
            },
        }
    }
}
