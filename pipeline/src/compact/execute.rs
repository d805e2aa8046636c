//! Makes the files of a segment and enters them in the catalogue.
//!
//! Takes the trail's folder and a segment, gives the catalogue's rows. What is on disk under its final
//! name is always whole; it must never mark a segment whose files are not all there and synced.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use capture::crash;
use parquet::arrow::ArrowWriter;
use schema::parquet::writer_properties;
use sha2::{Digest as _, Sha256};

use super::plan::{self, ARCHIVE, Part};
use super::{CompactError, rows};
use crate::store::catalog::{ArchiveFile, Catalog};
use crate::store::error::StoreError;
use crate::store::files::{FolderLock, create_folder};

/// Mode of the files: statements hold secrets.
const FILE_MODE: u32 = 0o600;

/// Ends the name of a file that is being written. Its name begins with a dot, so that no reader of the
/// folder takes it for data.
const UNFINISHED: &str = ".parquet.tmp";

/// Keeps a second compaction out of the archive, until it is dropped.
pub(crate) fn lock(dir: &Path) -> Result<FolderLock, CompactError> {
    create_folder(&dir.join(ARCHIVE))?;
    FolderLock::take_file(dir.join("compact.lock")).map_err(|error| match error {
        StoreError::InUse { path } => CompactError::Busy { path },
        other => CompactError::Store(other),
    })
}

/// Removes what a compaction that was cut short has left. Only for the holder of the [`lock`].
pub(super) fn sweep(dir: &Path) -> Result<(), CompactError> {
    let archive = dir.join(ARCHIVE);
    for folder in entries(&archive)? {
        let is_date = folder
            .file_name()
            .is_some_and(|name| name.to_string_lossy().starts_with("date="));
        if !is_date || !folder.is_dir() {
            continue;
        }
        for file in entries(&folder)? {
            let is_unfinished = file.file_name().is_some_and(|name| {
                let name = name.to_string_lossy();
                name.starts_with('.') && name.ends_with(UNFINISHED)
            });
            if is_unfinished {
                fs::remove_file(&file).map_err(failed("remove", &file))?;
            }
        }
    }
    Ok(())
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>, CompactError> {
    let list = || {
        fs::read_dir(folder)?
            .map(|entry| entry.map(|entry| entry.path()))
            .collect::<io::Result<Vec<PathBuf>>>()
    };
    list().map_err(failed("list", folder))
}

/// Compacts one sealed segment.
pub(super) fn segment(
    dir: &Path,
    catalog: &mut Catalog,
    segment_id: i64,
    now_us: i64,
) -> Result<Vec<ArchiveFile>, CompactError> {
    let days = rows::days(catalog.connection(), segment_id)?;
    let files = plan::parts(segment_id, &days)?
        .iter()
        .map(|part| write_part(dir, catalog, part))
        .collect::<Result<Vec<ArchiveFile>, CompactError>>()?;
    crash::point("before-archived");
    catalog.mark_archived(segment_id, &files, now_us)?;
    crash::point("after-archived");
    Ok(files)
}

/// Writes one file and makes it last.
fn write_part(dir: &Path, catalog: &Catalog, part: &Part) -> Result<ArchiveFile, CompactError> {
    let folder = dir.join(part.folder());
    create_folder(&folder)?;
    let unfinished = folder.join(format!(".{}-{}{UNFINISHED}", part.segment_id, part.number));
    let written = write_rows(&unfinished, catalog, part);
    if written.is_err() {
        // The error is what counts; what stays behind is swept by the next run.
        drop(fs::remove_file(&unfinished));
    }
    let (bytes, sha256) = written?;
    let path = dir.join(part.path());
    crash::point("before-rename");
    fs::rename(&unfinished, &path).map_err(failed("rename to", &path))?;
    // The name is in the folder, the folder's in the archive, the archive's in the trail's.
    crash::point("after-rename");
    sync_folder(&folder)?;
    sync_folder(&dir.join(ARCHIVE))?;
    sync_folder(dir)?;
    Ok(ArchiveFile {
        path: part.path(),
        segment_id: part.segment_id,
        date: part.date.clone(),
        rows: part.rows.rows,
        bytes,
        span: part.rows.span,
        sha256,
    })
}

/// Writes the rows of a part, synced; gives the file's size and its SHA-256 in hexadecimal.
fn write_rows(path: &Path, catalog: &Catalog, part: &Part) -> Result<(i64, String), CompactError> {
    let segment_id = part.segment_id;
    let parquet = |source| CompactError::Parquet { segment_id, source };
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(FILE_MODE)
        .open(path)
        .map_err(failed("create", path))?;
    crash::point("file-made");
    let properties = writer_properties(&part.facts());
    let mut writer =
        ArrowWriter::try_new(Hashed::new(file), schema::arrow::schema(), Some(properties))
            .map_err(parquet)?;
    let found = rows::read(catalog.connection(), part, |batch| {
        writer.write(&batch).map_err(parquet)
    })?;
    if found != part.rows.rows {
        return Err(CompactError::RowCount {
            segment_id,
            path: part.path(),
            expected: part.rows.rows,
            found,
        });
    }
    writer
        .into_inner()
        .map_err(parquet)?
        .finish()
        .map_err(failed("write", path))
}

/// Makes the names in a folder last.
pub(crate) fn sync_folder(folder: &Path) -> Result<(), CompactError> {
    File::open(folder)
        .and_then(|opened| opened.sync_all())
        .map_err(failed("sync", folder))
}

/// Names the deed and the file of an error of the system; for `map_err`.
fn failed(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> CompactError {
    let path = path.to_owned();
    move |source| CompactError::File {
        doing,
        path,
        source,
    }
}

/// A file that hashes what is written to it.
struct Hashed {
    file: BufWriter<File>,
    hash: Sha256,
    bytes: i64,
}

impl Hashed {
    fn new(file: File) -> Self {
        Self {
            file: BufWriter::new(file),
            hash: Sha256::new(),
            bytes: 0,
        }
    }

    /// Makes the file last; gives its size and hash.
    fn finish(self) -> io::Result<(i64, String)> {
        let file = self
            .file
            .into_inner()
            .map_err(io::IntoInnerError::into_error)?;
        crash::point("before-sync");
        file.sync_all()?;
        let hash = self.hash.finalize();
        Ok((self.bytes, format!("{hash:x}")))
    }
}

impl Write for Hashed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.hash.update(&bytes[..written]);
        self.bytes += i64::try_from(written).unwrap_or(i64::MAX);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}
