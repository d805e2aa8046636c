//! Whether a reader keeps the write-ahead log from being taken over.
//!
//! Takes what each checkpoint did, gives what is to be told. Pure. A reader that keeps its snapshot for long stops
//! nobody, but the log grows until it is gone.

use crate::store::catalog::Checkpoint;

/// Bytes of the log from which on it is told that somebody holds it: what it keeps of the disk anyway.
pub(super) const TOLD_BYTES: i64 = crate::store::WAL_BYTES_KEPT;

/// What is known of the log.
#[derive(Debug, Default)]
pub(super) struct Wal {
    held_since_us: Option<i64>,
    is_told: bool,
    most_bytes: i64,
}

/// What is to be told.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Told {
    /// It is held, since then, and has grown.
    Held {
        /// Microseconds since the epoch.
        since_us: i64,
    },
    /// It was held for so long, has grown to so much, and is taken over again.
    Free {
        /// Microseconds.
        held_us: i64,
        /// Bytes.
        most_bytes: i64,
    },
}

impl Wal {
    /// Since when it is held, microseconds since the epoch.
    pub(super) fn held_since_us(&self) -> Option<i64> {
        self.held_since_us
    }

    /// Takes what a checkpoint did; the log has `bytes` now.
    pub(super) fn note(&mut self, checkpoint: Checkpoint, bytes: i64, now_us: i64) -> Option<Told> {
        if checkpoint.done_pages < checkpoint.wal_pages {
            let since_us = *self.held_since_us.get_or_insert(now_us);
            self.most_bytes = self.most_bytes.max(bytes);
            let told = !self.is_told && bytes > TOLD_BYTES;
            self.is_told |= told;
            return told.then_some(Told::Held { since_us });
        }
        let Self {
            held_since_us,
            is_told,
            most_bytes,
        } = std::mem::take(self);
        let held_us = now_us.saturating_sub(held_since_us?);
        is_told.then_some(Told::Free {
            held_us,
            most_bytes,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_told_once_that_a_large_log_is_held_and_that_it_is_free_again() {
        let mut wal = Wal::default();
        let held = Checkpoint {
            wal_pages: 10,
            done_pages: 9,
        };
        let free = Checkpoint {
            wal_pages: 10,
            done_pages: 10,
        };
        assert_eq!(wal.note(free, TOLD_BYTES + 1, 1), None);
        // A short while, or little, is nothing to tell.
        assert_eq!(wal.note(held, TOLD_BYTES, 2), None);
        assert_eq!(wal.held_since_us(), Some(2));
        assert_eq!(wal.note(free, TOLD_BYTES, 3), None);
        assert_eq!(wal.held_since_us(), None);

        assert_eq!(wal.note(held, 1, 4), None);
        let told = Told::Held { since_us: 4 };
        assert_eq!(wal.note(held, TOLD_BYTES + 1, 5), Some(told));
        assert_eq!(wal.note(held, TOLD_BYTES + 9, 6), None);
        let told = Told::Free {
            held_us: 3,
            most_bytes: TOLD_BYTES + 9,
        };
        assert_eq!(wal.note(free, TOLD_BYTES + 9, 7), Some(told));
        assert_eq!(wal.note(free, 1, 8), None);
    }
}
