//! `sqltrail compact`: sealed segments become Parquet files, now.
//!
//! Takes the trail's folder, prints the files that were made. It seals the open segment only when asked
//! to, and only when nothing records into the folder.

use std::path::Path;
use std::process::ExitCode;

use anyhow::Context as _;
use rusqlite::types::ValueRef;

use crate::compact;
use crate::output::{Format, Output};
use crate::store::catalog::{ArchiveFile, Catalog};
use crate::store::{Options, Store};
use crate::time::now_us;

/// Flags of `compact`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Close the open segment first, so that every row gets into the archive; no recorder may be running
    #[arg(long)]
    seal: bool,
    /// How the list of files is written
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
}

const COLUMNS: [&str; 6] = ["path", "rows", "bytes", "first_seq", "last_seq", "sha256"];

/// Compacts the trail in `dir`.
///
/// # Errors
/// What keeps a segment from being sealed or compacted; files made before it are listed by
/// `sqltrail query archive_files`.
pub fn run(args: &Args, dir: &Path) -> anyhow::Result<ExitCode> {
    // First, since to open a store makes one where there is none.
    let mut catalog = Catalog::open(dir)?;
    let now = now_us();
    if args.seal {
        Store::open(dir, Options::default(), now)
            .and_then(|mut store| store.seal(now))
            .context("cannot seal the open segment, which needs that no recorder is running")?;
    }
    let files = compact::run(dir, &mut catalog, now)?;
    let mut output = Output::stdout();
    let mut rows = output.rows(args.format, COLUMNS.map(str::to_owned).into())?;
    for file in &files {
        rows.row(&values(file))?;
    }
    rows.finish()?;
    Ok(ExitCode::SUCCESS)
}

/// What is shown of a file, in the order of [`COLUMNS`].
fn values(file: &ArchiveFile) -> [ValueRef<'_>; COLUMNS.len()] {
    [
        ValueRef::Text(file.path.as_bytes()),
        ValueRef::Integer(file.rows),
        ValueRef::Integer(file.bytes),
        ValueRef::Integer(file.span.first_seq),
        ValueRef::Integer(file.span.last_seq),
        ValueRef::Text(file.sha256.as_bytes()),
    ]
}
