//! When what has been read is stored: by rows, bytes or age, whichever comes first.
//!
//! Pure: the time is handed in.

/// Rows of a batch at most: from here on a synchronous commit costs nothing measurable.
pub(super) const ROWS_MAX: usize = 8192;

/// Bytes of ring of a batch at most.
pub(super) const BYTES_MAX: u64 = 16 << 20;

/// Age of a batch at most, microseconds: a statement is to be seen within half a second.
pub(super) const AGE_MAX_US: i64 = 100_000;

/// How much has been read and is not stored.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Pending {
    /// Rows made.
    pub(super) rows: usize,
    /// Bytes of ring read.
    pub(super) bytes: u64,
    /// When the first of it was read, microseconds.
    pub(super) since_us: Option<i64>,
}

impl Pending {
    /// Whether reading must stop for a commit.
    pub(super) fn is_full(&self) -> bool {
        self.rows >= ROWS_MAX || self.bytes >= BYTES_MAX
    }

    /// Whether it is time for a commit.
    pub(super) fn is_due(&self, now_us: i64) -> bool {
        self.is_full()
            || self
                .since_us
                .is_some_and(|since| now_us.saturating_sub(since) >= AGE_MAX_US)
    }

    /// Notes that something was read.
    pub(super) fn note(&mut self, now_us: i64) {
        self.since_us.get_or_insert(now_us);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn due_by_rows_bytes_or_age() {
        let cases = [
            (Pending::default(), 1_000_000, false),
            (
                Pending {
                    rows: 1,
                    bytes: 100,
                    since_us: Some(0),
                },
                AGE_MAX_US - 1,
                false,
            ),
            (
                Pending {
                    rows: 0,
                    bytes: 100,
                    since_us: Some(0),
                },
                AGE_MAX_US,
                true,
            ),
            (
                Pending {
                    rows: ROWS_MAX,
                    bytes: 1,
                    since_us: Some(0),
                },
                0,
                true,
            ),
            (
                Pending {
                    rows: 1,
                    bytes: BYTES_MAX,
                    since_us: Some(0),
                },
                0,
                true,
            ),
        ];
        for (pending, now_us, expected) in cases {
            assert_eq!(pending.is_due(now_us), expected, "{pending:?} at {now_us}");
        }
    }

    #[test]
    fn age_counts_from_the_first() {
        let mut pending = Pending::default();
        pending.note(10);
        pending.note(20);
        assert_eq!(pending.since_us, Some(10));
    }
}
