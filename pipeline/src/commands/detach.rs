//! `sqltrail detach`

use std::path::PathBuf;

use anyhow::Context;
use capture::pins::FOLDER_DEFAULT;

use crate::record;

/// Removes the probes that a recorder has left: one that was killed, or ran with --keep-probes. A
/// `sqltrail record` that goes on where it ended needs them, and what they have recorded
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Folder in the BPF file system where the probes are pinned
    #[arg(long, value_name = "PATH", default_value = FOLDER_DEFAULT)]
    pin_path: PathBuf,
}

/// Runs the command.
///
/// # Errors
///
/// When a recorder still holds the probes, or they cannot be removed.
pub fn run(args: &Args) -> anyhow::Result<()> {
    let lost = record::detach(&args.pin_path)
        .with_context(|| format!("cannot detach what is at {}", args.pin_path.display()))?;
    tracing::info!(records = lost, "detached; nobody has read these records");
    Ok(())
}
