//! How the recording goes, as the recorder last said it, beside its rows.
//!
//! Takes a snapshot and gives it back; measures what the trail takes on disk.

use std::path::Path;

use rusqlite::{Connection, OptionalExtension as _};

use super::catalog::SegmentState;
use super::error::{StoreError, sqlite};
use super::files;
use crate::health::{Snapshot, Trail};

/// Stores what the recorder says of itself.
pub(crate) fn write(connection: &Connection, snapshot: &Snapshot) -> rusqlite::Result<()> {
    let text = serde_json::to_string(snapshot)
        .map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))?;
    connection
        .prepare_cached("INSERT OR REPLACE INTO meta(key, value) VALUES ('health', ?1)")?
        .execute([text])
        .map(drop)
}

/// What the last recorder said of itself; none where none ever did.
///
/// # Errors
/// What SQLite says. What is stored and cannot be understood is not of a version that we know: none.
pub fn read(connection: &Connection, path: &Path) -> Result<Option<Snapshot>, StoreError> {
    let text: Option<String> = connection
        .query_row("SELECT value FROM meta WHERE key = 'health'", [], |row| {
            row.get(0)
        })
        .optional()
        .map_err(sqlite(path, "read how the recording goes"))?;
    Ok(text.and_then(|text| serde_json::from_str(&text).ok()))
}

/// What the trail in `dir` takes on disk. A file that is not there takes nothing.
///
/// # Errors
/// What SQLite says.
pub fn measure(connection: &Connection, dir: &Path) -> Result<Trail, StoreError> {
    let path = files::database(dir);
    let mut trail = counts(connection).map_err(sqlite(&path, "measure the trail"))?;
    let size = |path: &Path| {
        path.metadata()
            .map_or(0, |file| i64::try_from(file.len()).unwrap_or(i64::MAX))
    };
    trail.database_bytes = size(&path);
    trail.wal_bytes = size(&path.with_extension("db-wal"));
    Ok(trail)
}

fn counts(connection: &Connection) -> rusqlite::Result<Trail> {
    let mut trail = Trail::default();
    let mut segments = connection
        .prepare_cached("SELECT state, count(*), sum(rows) FROM segments GROUP BY state")?;
    let mut found = segments.query([])?;
    while let Some(row) = found.next()? {
        let state: String = row.get(0)?;
        if SegmentState::of(&state).is_hot() {
            trail.rows += row.get::<_, i64>(2)?;
        }
        trail.segments.insert(state, row.get(1)?);
    }
    (trail.archive_files, trail.archive_rows, trail.archive_bytes) = connection
        .prepare_cached(
            "SELECT count(*), coalesce(sum(rows), 0), coalesce(sum(bytes), 0) FROM archive_files",
        )?
        .query_row([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    Ok(trail)
}
