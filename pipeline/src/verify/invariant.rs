//! What must hold of every trail, by name.
//!
//! Takes what the catalogue says, gives what is wrong with it. Pure. The names are in the command's output and
//! in its documentation: they never change their meaning.

use crate::store::catalog::{ArchiveFile, SegmentEntry, SegmentState};
use crate::store::retention::Tombstone;

/// Something that must hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Invariant {
    /// `seq` goes from 1 to the last one, over segments that are open, archived, dropped and purged.
    Sequence,
    /// A segment's entry says what its table holds.
    Segment,
    /// Every row can be put together from what it refers to.
    Row,
    /// The files of a segment hold exactly its rows.
    Compact,
    /// The archive holds no file but those of the catalogue.
    Archive,
    /// What SQLite holds no more is in the archive, or has a tombstone.
    Retain,
}

impl Invariant {
    /// All of them, in the order in which they are shown.
    pub const ALL: [Self; 6] = [
        Self::Sequence,
        Self::Segment,
        Self::Row,
        Self::Compact,
        Self::Archive,
        Self::Retain,
    ];

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Sequence => "SEQ-1",
            Self::Segment => "SEGMENT-1",
            Self::Row => "ROW-1",
            Self::Compact => "COMPACT-1",
            Self::Archive => "ARCHIVE-1",
            Self::Retain => "RETAIN-1",
        }
    }

    /// What it says.
    #[must_use]
    pub fn statement(self) -> &'static str {
        match self {
            Self::Sequence => "seq has no gap",
            Self::Segment => "a segment's entry says what its table holds",
            Self::Row => "every row can be read whole",
            Self::Compact => "the files of a segment hold exactly its rows",
            Self::Archive => "the archive has no file that the catalogue does not name",
            Self::Retain => "what was dropped is in the archive, what is gone has its tombstone",
        }
    }
}

/// A place where something does not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// What does not hold.
    pub invariant: Invariant,
    /// The first event that it does not hold for; none where no event can be named.
    pub seq: Option<i64>,
    /// What was found.
    pub detail: String,
}

impl Violation {
    pub(super) fn new(
        invariant: Invariant,
        seq: impl Into<Option<i64>>,
        detail: impl Into<String>,
    ) -> Self {
        Self {
            invariant,
            seq: seq.into(),
            detail: detail.into(),
        }
    }
}

/// Segments in order of their numbers: each begins where the one before ended, and has as many rows as
/// numbers.
#[must_use]
pub fn sequence(segments: &[SegmentEntry]) -> Vec<Violation> {
    let mut found = Vec::new();
    let mut expected = 1;
    for segment in segments {
        let Some(span) = segment.span else { continue };
        if span.first_seq != expected {
            found.push(Violation::new(
                Invariant::Sequence,
                expected.min(span.first_seq),
                format!(
                    "segment {} begins with {}, not {expected}",
                    segment.segment_id, span.first_seq
                ),
            ));
        }
        if span.last_seq - span.first_seq + 1 != segment.rows {
            found.push(Violation::new(
                Invariant::Segment,
                span.first_seq,
                format!(
                    "segment {} has {} rows from {} to {}",
                    segment.segment_id, segment.rows, span.first_seq, span.last_seq
                ),
            ));
        }
        expected = span.last_seq + 1;
    }
    found
}

/// A dropped segment: its files, together, have all of its rows.
#[must_use]
pub fn retained(segment: &SegmentEntry, files: &[&ArchiveFile]) -> Option<Violation> {
    let span = segment.span?;
    if segment.state != SegmentState::Dropped {
        return None;
    }
    let rows: i64 = files.iter().map(|file| file.rows).sum();
    (rows != segment.rows).then(|| {
        Violation::new(
            Invariant::Retain,
            span.first_seq,
            format!(
                "segment {} was dropped with {} rows, its files have {rows}",
                segment.segment_id, segment.rows
            ),
        )
    })
}

/// Each purged segment has a tombstone that says what its entry says, and each tombstone such a segment; the
/// catalogue counts no file of it.
#[must_use]
pub fn buried(
    segments: &[SegmentEntry],
    tombstones: &[Tombstone],
    files: &[ArchiveFile],
) -> Vec<Violation> {
    let mut found = Vec::new();
    let purged = |segment: &&SegmentEntry| segment.state == SegmentState::Purged;
    for segment in segments.iter().filter(purged) {
        let id = segment.segment_id;
        let first = segment.span.map(|span| span.first_seq);
        match tombstones.iter().find(|stone| stone.segment_id == id) {
            None => found.push(Violation::new(
                Invariant::Retain,
                first,
                format!("segment {id} is gone without a tombstone"),
            )),
            Some(stone) if (Some(stone.span), stone.rows) != (segment.span, segment.rows) => {
                found.push(Violation::new(
                    Invariant::Retain,
                    first.into_iter().chain([stone.span.first_seq]).min(),
                    format!("the tombstone of segment {id} does not say what its entry says"),
                ));
            }
            Some(_) => {}
        }
        found.extend(
            files
                .iter()
                .filter(|file| file.segment_id == id)
                .map(|file| {
                    let detail = format!("{} is of a segment that is gone", file.path);
                    Violation::new(Invariant::Retain, file.span.first_seq, detail)
                }),
        );
    }
    for stone in tombstones {
        let id = stone.segment_id;
        if !segments
            .iter()
            .filter(purged)
            .any(|segment| segment.segment_id == id)
        {
            found.push(Violation::new(
                Invariant::Retain,
                stone.span.first_seq,
                format!("segment {id} has a tombstone, and is not gone"),
            ));
        }
    }
    found
}
