//! What is to be compacted, and into which files.
//!
//! Takes what the catalogue and the segment say, gives names, dates and bounds. Pure.

use chrono::{DateTime, Utc};
use schema::parquet::FileFacts;

use super::CompactError;
use crate::store::catalog::{SegmentEntry, SegmentState, Span};

/// Microseconds of a day.
pub const DAY_US: i64 = 86_400_000_000;

/// Folder of the archive in a trail's folder.
pub const ARCHIVE: &str = "archive";

/// The rows of one segment on one UTC date.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DayRows {
    /// Days since the Unix epoch.
    pub day: i64,
    /// How many.
    pub rows: i64,
    /// First and last of them.
    pub span: Span,
}

/// One file to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// The segment.
    pub segment_id: i64,
    /// Place among the segment's files, from 1, in order of date.
    pub number: u32,
    /// UTC date of its rows, `YYYY-MM-DD`.
    pub date: String,
    /// Which rows it has.
    pub rows: DayRows,
}

impl Part {
    /// Its folder, relative to the trail's.
    #[must_use]
    pub fn folder(&self) -> String {
        format!("{ARCHIVE}/date={}", self.date)
    }

    /// Its name in that folder.
    #[must_use]
    pub fn file_name(&self) -> String {
        format!("{}-{}.parquet", self.segment_id, self.number)
    }

    /// Its path relative to the trail's folder.
    #[must_use]
    pub fn path(&self) -> String {
        format!("{}/{}", self.folder(), self.file_name())
    }

    /// First microsecond of its date, and the first one after it.
    #[must_use]
    pub fn bounds_us(&self) -> (i64, i64) {
        let start = self.rows.day.saturating_mul(DAY_US);
        (start, start.saturating_add(DAY_US))
    }

    /// What the file says of itself.
    #[must_use]
    pub fn facts(&self) -> FileFacts {
        FileFacts {
            schema_version: schema::sqlite::VERSION,
            segment: self.segment_id,
            part: self.number,
            date: self.date.clone(),
            rows: self.rows.rows,
            first_seq: self.rows.span.first_seq,
            last_seq: self.rows.span.last_seq,
        }
    }
}

/// The segments to compact, oldest first.
#[must_use]
pub fn due(segments: &[SegmentEntry]) -> Vec<i64> {
    let mut due: Vec<i64> = segments
        .iter()
        .filter(|segment| segment.state == SegmentState::Sealed)
        .map(|segment| segment.segment_id)
        .collect();
    due.sort_unstable();
    due
}

/// The files that a segment becomes.
///
/// # Errors
/// A time that is no date.
pub fn parts(segment_id: i64, days: &[DayRows]) -> Result<Vec<Part>, CompactError> {
    let mut days = days.to_vec();
    days.sort_unstable_by_key(|rows| rows.day);
    days.into_iter()
        .zip(1..)
        .map(|(rows, number)| {
            let date = date(rows.day).ok_or(CompactError::NoDate {
                segment_id,
                day: rows.day,
            })?;
            Ok(Part {
                segment_id,
                number,
                date,
                rows,
            })
        })
        .collect()
}

/// `YYYY-MM-DD` of a day since the Unix epoch.
fn date(day: i64) -> Option<String> {
    let start: DateTime<Utc> = DateTime::from_timestamp_micros(day.checked_mul(DAY_US)?)?;
    Some(start.format("%Y-%m-%d").to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(day: i64) -> DayRows {
        let span = Span {
            first_seq: 1,
            last_seq: 2,
            first_time_us: day * DAY_US,
            last_time_us: day * DAY_US + 1,
        };
        DayRows { day, rows: 2, span }
    }

    #[test]
    fn a_segment_becomes_a_file_for_each_date() {
        let parts = parts(7, &[rows(20_780), rows(20_779)]).unwrap();
        let paths: Vec<String> = parts.iter().map(Part::path).collect();
        assert_eq!(
            paths,
            [
                "archive/date=2026-11-22/7-1.parquet",
                "archive/date=2026-11-23/7-2.parquet"
            ]
        );
        assert_eq!(parts[0].bounds_us(), (20_779 * DAY_US, 20_780 * DAY_US));
    }

    #[test]
    fn dates() {
        let check =
            |day: i64, expected: Option<&str>| assert_eq!(date(day).as_deref(), expected, "{day}");
        check(0, Some("1970-01-01"));
        check(-1, Some("1969-12-31"));
        check(20_779, Some("2026-11-22"));
        check(i64::MAX, None);
        check(i64::MAX / DAY_US, None);
    }

    #[test]
    fn only_sealed_segments_are_due() {
        let entry = |segment_id, state| SegmentEntry {
            segment_id,
            state,
            span: None,
            rows: 0,
            bytes: 0,
            opened_at_us: 0,
            sealed_at_us: None,
            archived_at_us: None,
        };
        let segments = [
            entry(5, SegmentState::Open),
            entry(4, SegmentState::Sealed),
            entry(3, SegmentState::Sealed),
            entry(2, SegmentState::Archived),
            entry(1, SegmentState::Dropped),
        ];
        assert_eq!(due(&segments), [3, 4]);
    }
}
