//! What ingest does when the disk is full: nothing more, or nothing at all.

use super::{Ingest, IngestError};

impl Ingest {
    /// Whether the ring is left alone, so that nothing more is stored of it. What is in it at the end is stored all
    /// the same.
    pub(super) fn is_paused(&self) -> bool {
        self.paused && !self.stopping
    }

    /// Ends recording with a row that says why; the ring keeps what is in it for the next start.
    pub(super) fn halted(mut self, why: String, now_us: i64) -> IngestError {
        self.lifecycle("disk", format!("{why}: recording ends"), now_us);
        // The store is asked a few times, and not for ever.
        self.stopping = true;
        match self.commit(now_us, None) {
            Ok(()) => IngestError::Halted { why },
            Err(error) => error,
        }
    }
}
