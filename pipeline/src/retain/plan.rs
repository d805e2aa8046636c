//! What is to go.
//!
//! Takes what the catalogue says, the holds, the limits and the time, gives steps in the order in which they
//! are to be taken. Pure.

use crate::store::catalog::{ArchiveFile, SegmentEntry, SegmentState, Span};
use crate::store::holds::Hold;

/// How much is kept; none is no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Limits {
    /// Age of rows in SQLite, microseconds.
    pub hot_age_us: Option<i64>,
    /// Bytes of rows in SQLite, as `segments` counts them.
    pub hot_bytes: Option<i64>,
    /// Age of rows anywhere, microseconds.
    pub total_age_us: Option<i64>,
    /// Bytes of Parquet files.
    pub total_bytes: Option<i64>,
    /// Bytes of Parquet files that must go, whatever their age: the disk is full.
    pub excess_bytes: i64,
}

/// What becomes of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deed {
    /// SQLite lets go of its rows; the archive has them.
    Drop,
    /// It goes altogether.
    Purge,
    /// It would go, and is held.
    Hold,
}

/// The limit that says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// [`Limits::hot_age_us`]
    HotAge,
    /// [`Limits::hot_bytes`]
    HotBytes,
    /// [`Limits::total_age_us`]
    TotalAge,
    /// [`Limits::total_bytes`]
    TotalBytes,
    /// [`Limits::excess_bytes`]
    DiskFull,
}

/// One thing to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// The segment.
    pub segment_id: i64,
    /// Its rows.
    pub rows: i64,
    /// First and last of them.
    pub span: Span,
    /// Bytes that go: of its rows in SQLite, estimated, or of its files.
    pub bytes: i64,
    /// What is done.
    pub deed: Deed,
    /// Why.
    pub reason: Reason,
}

impl Deed {
    /// A word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Drop => "drop",
            Self::Purge => "purge",
            Self::Hold => "held",
        }
    }
}

impl Reason {
    /// A word for it: the key of the configuration.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::HotAge => "hot_age",
            Self::HotBytes => "hot_bytes",
            Self::TotalAge => "total_age",
            Self::TotalBytes => "total_bytes",
            Self::DiskFull => "on_disk_full",
        }
    }
}

/// A segment that may go.
#[derive(Debug, Clone, Copy)]
struct Candidate<'s> {
    entry: &'s SegmentEntry,
    span: Span,
    file_bytes: i64,
}

/// What goes: the oldest first, of each segment what goes furthest.
#[must_use]
pub fn plan(
    segments: &[SegmentEntry],
    files: &[ArchiveFile],
    holds: &[Hold],
    limits: &Limits,
    now_us: i64,
) -> Vec<Step> {
    let mut candidates: Vec<Candidate<'_>> = segments
        .iter()
        .filter_map(|entry| candidate(entry, files))
        .collect();
    candidates.sort_unstable_by_key(|candidate| candidate.span.first_seq);
    let is_older = |span: Span, age: Option<i64>| {
        age.is_some_and(|age| span.last_time_us < now_us.saturating_sub(age))
    };
    let all = |bytes: fn(&Candidate<'_>) -> i64| -> i64 { candidates.iter().map(bytes).sum() };
    let mut total_bytes = all(|candidate| candidate.file_bytes);
    let mut excess_bytes = limits.excess_bytes;
    // Those that are not yet archived take space, too.
    let mut hot_bytes: i64 = segments
        .iter()
        .filter(|entry| entry.state.is_hot())
        .map(|entry| entry.bytes)
        .sum();

    let mut steps = Vec::new();
    let mut kept = Vec::new();
    for candidate in candidates {
        let Candidate {
            entry,
            span,
            file_bytes,
        } = candidate;
        let reason = if is_older(span, limits.total_age_us) {
            Some(Reason::TotalAge)
        } else if limits.total_bytes.is_some_and(|most| total_bytes > most) {
            Some(Reason::TotalBytes)
        } else {
            (excess_bytes > 0).then_some(Reason::DiskFull)
        };
        let is_held = holds.iter().any(|hold| hold.covers(span));
        if let Some(reason) = reason {
            let deed = if is_held { Deed::Hold } else { Deed::Purge };
            steps.push(candidate.step(deed, file_bytes, reason));
        }
        if reason.is_none() || is_held {
            kept.push(candidate);
            continue;
        }
        total_bytes -= file_bytes;
        excess_bytes -= file_bytes;
        if entry.state.is_hot() {
            hot_bytes -= entry.bytes;
        }
    }
    for candidate in kept.into_iter().filter(|kept| kept.entry.state.is_hot()) {
        let bytes = candidate.entry.bytes;
        let reason = if is_older(candidate.span, limits.hot_age_us) {
            Reason::HotAge
        } else if limits.hot_bytes.is_some_and(|most| hot_bytes > most) {
            Reason::HotBytes
        } else {
            continue;
        };
        steps.push(candidate.step(Deed::Drop, bytes, reason));
        hot_bytes -= bytes;
    }
    steps
}

fn candidate<'s>(entry: &'s SegmentEntry, files: &[ArchiveFile]) -> Option<Candidate<'s>> {
    match entry.state {
        SegmentState::Archived | SegmentState::Dropped => {}
        SegmentState::Open | SegmentState::Sealed | SegmentState::Purged => return None,
    }
    let own = files
        .iter()
        .filter(|file| file.segment_id == entry.segment_id);
    Some(Candidate {
        entry,
        span: entry.span?,
        file_bytes: own.map(|file| file.bytes).sum(),
    })
}

impl Candidate<'_> {
    fn step(&self, deed: Deed, bytes: i64, reason: Reason) -> Step {
        Step {
            segment_id: self.entry.segment_id,
            rows: self.entry.rows,
            span: self.span,
            bytes,
            deed,
            reason,
        }
    }
}
