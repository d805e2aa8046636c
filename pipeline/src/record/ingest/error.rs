//! Why the ring is no longer read.

use capture::attach::CaptureError;

use crate::{assemble::KeepError, record::vault::VaultError, store::error::StoreError};

/// Why ingest ended before it was told to.
#[derive(Debug, thiserror::Error)]
pub enum IngestError {
    /// The ring can no longer be read.
    #[error("cannot read the ring")]
    Ring(#[source] std::io::Error),
    /// The ring does not hold what is to be read next.
    #[error(transparent)]
    Resume(CaptureError),
    /// Notes about unfinished statements cannot be made or read.
    #[error("cannot keep what is unfinished")]
    Vault(#[from] VaultError),
    /// They are of another version.
    #[error(transparent)]
    Keep(#[from] KeepError),
    /// What a former recorder noted cannot be read.
    #[error(transparent)]
    Notes(StoreError),
    /// The counters of losses can no longer be read.
    #[error("cannot read the counters of losses")]
    Drops(#[source] CaptureError),
    /// The disk is full, and the settings say that recording ends then.
    #[error("the disk is full: {why}")]
    Halted {
        /// How full.
        why: String,
    },
    /// The store does not take rows.
    #[error("cannot store {rows} rows")]
    Store {
        /// How many rows were not stored.
        rows: usize,
        /// Why.
        #[source]
        source: StoreError,
    },
}
