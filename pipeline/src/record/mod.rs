//! Recording: servers are found and watched, what they do is stored.
//!
//! ```text
//!            supervise (tokio): signals, scans for servers, attaches
//!                │ notices (channel)                         ┌ maintain (thread): checkpoint, compact, retain
//!   kernel ══ ring ══▶ ingest (thread): decode ▸ assemble ▸ batch ▸ store ── audit.db
//!                ◀── released once the batch is committed
//! ```
//!
//! The ring is the only queue: while a commit takes its time, the kernel goes on filling it.

mod batch;
mod ingest;
mod maintain;
mod notice;
mod resume;
mod settings;
mod supervise;
mod vault;
mod watch;

pub use notice::Notice;
pub use resume::detach;
pub use settings::Settings;
pub use supervise::{RecordError, run};

use std::{path::PathBuf, time::Duration};

/// How often running processes are looked through for servers.
pub const SCAN_INTERVAL: Duration = Duration::from_secs(2);

/// From when on a statement that has not ended is shown as running, microseconds.
pub const RUNNING_SHOWN_US: i64 = 2_000_000;

/// How to record.
#[derive(Debug)]
pub struct Options {
    /// Folder of the trail.
    pub dir: PathBuf,
    /// What is recorded.
    pub settings: Settings,
    /// Where in the BPF file system the kernel half is pinned, so that it outlives the recorder.
    pub pin_path: PathBuf,
    /// Whether the probes go on when recording ends.
    pub keep_probes: bool,
    /// How to store.
    pub store: crate::store::Options,
}

impl Options {
    /// The defaults, for the trail in `dir`.
    #[must_use]
    pub fn new(dir: PathBuf) -> Self {
        Self {
            dir,
            settings: Settings::default(),
            pin_path: PathBuf::from(capture::pins::FOLDER_DEFAULT),
            keep_probes: false,
            store: crate::store::Options::default(),
        }
    }
}
