//! Takes the steps of a plan.
//!
//! Takes the trail's folder and steps, gives those that are done. A file is removed only after the transaction
//! that says that it goes, and rows only after their files were looked at. Only for the holder of the archive's lock.

use std::fs::{self, File};
use std::io;
use std::path::{Component, Path};

use capture::crash;

use super::plan::{Deed, Step};
use super::{Outcome, RetainError};
use crate::compact::execute::sync_folder;
use crate::compact::plan::ARCHIVE;
use crate::store::catalog::{ArchiveFile, Catalog};
use crate::store::files::sha256;
use crate::store::retention::Why;

/// Ends what a former run began, then takes the steps. A step that fails holds up none of the others.
pub(super) fn run(
    dir: &Path,
    catalog: &mut Catalog,
    steps: &[Step],
    by: &str,
    now_us: i64,
) -> Result<Outcome, RetainError> {
    let mut outcome = Outcome::default();
    for (segment_id, paths) in catalog.unremoved()? {
        let removed = remove_files(dir, catalog, segment_id, &paths, now_us);
        outcome.failed.extend(removed.err());
    }
    for step in steps {
        let why = Why {
            reason: step.reason.as_str(),
            by: by.to_owned(),
        };
        match step.deed {
            Deed::Hold => {}
            Deed::Drop => match drop_rows(dir, catalog, step.segment_id, &why, now_us) {
                Ok(()) => outcome.done.push(*step),
                Err(error) => outcome.failed.push(error),
            },
            Deed::Purge => {
                crash::point("before-tombstone");
                if let Err(error) = catalog.purge(step.segment_id, &why, now_us) {
                    outcome.failed.push(error.into());
                    continue;
                }
                crash::point("after-tombstone");
                outcome.done.push(*step);
                let paths: Vec<String> = files_of(catalog, step.segment_id)?;
                let removed = remove_files(dir, catalog, step.segment_id, &paths, now_us);
                outcome.failed.extend(removed.err());
            }
        }
    }
    if !outcome.done.is_empty() {
        catalog.forget()?;
    }
    Ok(outcome)
}

/// Files that a tombstone of a segment says are to go.
fn files_of(catalog: &Catalog, segment_id: i64) -> Result<Vec<String>, RetainError> {
    let unremoved = catalog.unremoved()?.into_iter();
    Ok(unremoved
        .filter(|(id, _)| *id == segment_id)
        .flat_map(|(_, paths)| paths)
        .collect())
}

/// Drops rows that are in the archive.
fn drop_rows(
    dir: &Path,
    catalog: &mut Catalog,
    segment_id: i64,
    why: &Why,
    now_us: i64,
) -> Result<(), RetainError> {
    let files = catalog.archive_files()?;
    for file in files.iter().filter(|file| file.segment_id == segment_id) {
        check(dir, file)?;
    }
    crash::point("before-drop");
    catalog.drop_rows(segment_id, why, now_us)?;
    crash::point("after-drop");
    Ok(())
}

/// A file must be the one that was written.
fn check(dir: &Path, file: &ArchiveFile) -> Result<(), RetainError> {
    let path = dir.join(&file.path);
    let found = match File::open(&path).and_then(|opened| sha256(&opened)) {
        Ok(hash) if hash == file.sha256 => return Ok(()),
        Ok(hash) => format!("its SHA-256 is {hash}, not {}", file.sha256),
        Err(error) => error.to_string(),
    };
    Err(RetainError::NotWhole { path, found })
}

/// Removes the files of a segment that a tombstone stands for, and notes that.
fn remove_files(
    dir: &Path,
    catalog: &mut Catalog,
    segment_id: i64,
    paths: &[String],
    now_us: i64,
) -> Result<(), RetainError> {
    for path in paths {
        remove(dir, path)?;
        crash::point("after-unlink");
    }
    catalog.mark_removed(segment_id, now_us)?;
    crash::point("after-removed");
    Ok(())
}

/// Removes a file, if it is there, and its folder when nothing else is in it; both for good.
fn remove(dir: &Path, path: &str) -> Result<(), RetainError> {
    // What is in the database must not name anything outside.
    let is_ours = Path::new(path).starts_with(ARCHIVE)
        && Path::new(path)
            .components()
            .all(|part| matches!(part, Component::Normal(_)));
    if !is_ours {
        return Err(RetainError::Path {
            path: path.to_owned(),
        });
    }
    let path = dir.join(path);
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| RetainError::Remove { path, source }
    };
    let gone = |removed: io::Result<()>| match removed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    };
    gone(fs::remove_file(&path)).map_err(failed(&path))?;
    let Some(folder) = path.parent().filter(|folder| folder.is_dir()) else {
        return Ok(());
    };
    sync_folder(folder)?;
    match gone(fs::remove_dir(folder)) {
        Ok(()) => sync_folder(&dir.join(ARCHIVE))?,
        Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => {}
        Err(error) => return Err(failed(folder)(error)),
    }
    Ok(())
}
