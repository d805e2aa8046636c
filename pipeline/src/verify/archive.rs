//! A Parquet file against the catalogue, and against the rows it was made from while they are there.
//!
//! Takes the trail's folder, a catalogue entry and a part of the plan, gives the first thing that is wrong.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use arrow_schema::ArrowError;
use rusqlite::Connection;

use super::VerifyError;
use super::file::{FileRows, RowOf};
use super::invariant::{Invariant, Violation};
use crate::compact::plan::{ARCHIVE, Part};
use crate::compact::rows;
use crate::store::catalog::{ArchiveFile, SegmentEntry, SegmentState, Span};
use crate::store::files::sha256;
use crate::store::retention::Tombstone;

/// Checks one file; `part` is what it should be made of, where SQLite still has the rows.
pub(super) fn check(
    dir: &Path,
    connection: &Connection,
    file: &ArchiveFile,
    part: Option<&Part>,
) -> Result<Vec<Violation>, VerifyError> {
    let path = dir.join(&file.path);
    let wrong = |seq, detail: String| {
        Violation::new(Invariant::Compact, seq, format!("{}: {detail}", file.path))
    };
    let unreadable = |source| VerifyError::File {
        path: path.clone(),
        source,
    };
    let opened = match File::open(&path) {
        Ok(opened) => opened,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Ok(vec![wrong(file.span.first_seq, "is missing".into())]);
        }
        Err(error) => return Err(unreadable(error)),
    };
    let found_hash = sha256(&opened).map_err(unreadable)?;
    let whole = found_hash == file.sha256;
    let mut found = match part {
        Some(part) => beside(connection, opened, part)?,
        None => alone(opened, file),
    }
    .map_err(|error| {
        // Nothing of a file that cannot be read shows its rows.
        wrong(file.span.first_seq, format!("cannot be read: {error}"))
    })
    .map_or_else(Some, |difference| {
        difference.map(|(seq, detail)| wrong(seq, detail))
    });
    if found.is_none() && !whole {
        found = Some(wrong(
            file.span.first_seq,
            "its bytes are not those that were written".into(),
        ));
    }
    if let Some(part) = part
        && found.is_none()
        && (part.rows.rows, part.rows.span, &part.date) != (file.rows, file.span, &file.date)
    {
        found = Some(wrong(
            part.rows.span.first_seq.min(file.span.first_seq),
            "its catalogue entry is not that of its rows".into(),
        ));
    }
    Ok(found.into_iter().collect())
}

/// The first event that differs, and how.
type Difference = Option<(i64, String)>;

/// The file against the rows in SQLite.
fn beside(
    connection: &Connection,
    opened: File,
    part: &Part,
) -> Result<Result<Difference, ArrowError>, VerifyError> {
    let mut file = match FileRows::open(opened) {
        Ok(file) => file,
        Err(error) => return Ok(Err(error)),
    };
    let mut outcome: Result<Difference, ArrowError> = Ok(None);
    let read = rows::read(connection, part, |batch| {
        for row in 0..batch.num_rows() {
            if !matches!(outcome, Ok(None)) {
                break;
            }
            let stored = RowOf::new(&batch, row);
            outcome = file.next().map(|archived| differ(stored, archived));
        }
        Ok(())
    });
    match read {
        // A row that cannot be put together is another invariant's.
        Err(error) if super::bad_row(&error).is_some() => return Ok(Ok(None)),
        read => read.map(drop)?,
    }
    if matches!(outcome, Ok(None)) {
        outcome = file.next().map(|more| {
            let seq = more?.integer("seq")?;
            Some((seq, format!("has event {seq}, which its segment has not")))
        });
    }
    Ok(outcome)
}

fn differ(stored: RowOf<'_>, archived: Option<RowOf<'_>>) -> Difference {
    let seq = stored.integer("seq")?;
    let Some(archived) = archived else {
        return Some((seq, format!("ends before event {seq}")));
    };
    let column = stored.difference(archived)?;
    let first = archived.integer("seq").map_or(seq, |other| other.min(seq));
    Some((first, format!("event {seq} has another {column}")))
}

/// The file against its catalogue entry.
fn alone(opened: File, file: &ArchiveFile) -> Result<Difference, ArrowError> {
    let mut rows = FileRows::open(opened)?;
    let mut count = 0;
    let mut span: Option<Span> = None;
    while let Some(row) = rows.next()? {
        let (Some(seq), Some(time)) = (row.integer("seq"), row.integer("time")) else {
            return Ok(Some((
                span.map_or(file.span.first_seq, |span| span.last_seq + 1),
                "has a row without seq or time".into(),
            )));
        };
        if span.is_some_and(|span| seq <= span.last_seq) {
            return Ok(Some((seq, format!("event {seq} is out of order"))));
        }
        count += 1;
        span = Some(match span {
            None => Span {
                first_seq: seq,
                last_seq: seq,
                first_time_us: time,
                last_time_us: time,
            },
            Some(span) => Span {
                last_seq: seq,
                first_time_us: span.first_time_us.min(time),
                last_time_us: span.last_time_us.max(time),
                ..span
            },
        });
    }
    Ok((count != file.rows || span != Some(file.span)).then(|| {
        let first = span.map_or(file.span.first_seq, |span| {
            span.first_seq.min(file.span.first_seq)
        });
        (first, "its catalogue entry is not that of its rows".into())
    }))
}

/// Files that nobody names, of segments that were archived: whoever reads the folder sees rows twice, or rows
/// that are gone. Files of a segment that is not yet archived are those of a compaction that runs, or that was
/// cut short; those of one with a tombstone that does not say that they are removed will be.
pub(super) fn strangers(
    dir: &Path,
    segments: &[SegmentEntry],
    files: &[ArchiveFile],
    tombstones: &[Tombstone],
) -> Result<Vec<Violation>, VerifyError> {
    let mut found = Vec::new();
    for folder in names(&dir.join(ARCHIVE))? {
        if !folder.starts_with("date=") {
            continue;
        }
        for name in names(&dir.join(ARCHIVE).join(&folder))? {
            let path = format!("{ARCHIVE}/{folder}/{name}");
            let Some(stem) = name
                .strip_suffix(".parquet")
                .filter(|_| !name.starts_with('.'))
            else {
                continue;
            };
            if files.iter().any(|file| file.path == path) {
                continue;
            }
            let number = stem
                .split_once('-')
                .and_then(|(number, _)| number.parse().ok());
            let segment = segments
                .iter()
                .find(|segment| Some(segment.segment_id) == number);
            let newest = segments.last().map_or(0, |segment| segment.segment_id);
            let waits = match segment {
                Some(segment) => match segment.state {
                    SegmentState::Open | SegmentState::Sealed => true,
                    SegmentState::Archived | SegmentState::Dropped => false,
                    SegmentState::Purged => tombstones.iter().any(|stone| {
                        stone.segment_id == segment.segment_id && stone.removed_at_us.is_none()
                    }),
                },
                // Made after this reading began.
                None => number.is_some_and(|number: i64| number > newest),
            };
            if !waits {
                let seq = segment
                    .and_then(|segment| segment.span)
                    .map(|span| span.first_seq);
                found.push(Violation::new(
                    Invariant::Archive,
                    seq,
                    format!("{path} is not in the catalogue"),
                ));
            }
        }
    }
    Ok(found)
}

/// What is in a folder, in order; nothing where there is none.
fn names(folder: &Path) -> Result<Vec<String>, VerifyError> {
    let list = || {
        fs::read_dir(folder)?
            .map(|entry| entry.map(|entry| entry.file_name().to_string_lossy().into_owned()))
            .collect::<io::Result<Vec<String>>>()
    };
    match list() {
        Ok(mut names) => {
            names.sort_unstable();
            Ok(names)
        }
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
            ) =>
        {
            Ok(Vec::new())
        }
        Err(source) => Err(VerifyError::File {
            path: folder.to_owned(),
            source,
        }),
    }
}
