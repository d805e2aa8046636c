//! Recording: servers are found and watched, what they do is stored.
//!
//! ```text
//!            supervise (tokio): signals, scans for servers, attaches
//!                │ notices (channel)                         ┌ maintain (thread): checkpoint, compact
//!   kernel ══ ring ══▶ ingest (thread): decode ▸ assemble ▸ batch ▸ store ── audit.db
//!                ◀── released once the batch is committed
//! ```
//!
//! The ring is the only queue: while a commit takes its time, the kernel goes on filling it.

mod batch;
mod ingest;
mod maintain;
mod notice;
mod settings;
mod supervise;
mod watch;

pub use notice::Notice;
pub use settings::Settings;
pub use supervise::{RecordError, run};

use std::{path::PathBuf, time::Duration};

/// How often running processes are looked through for servers.
pub const SCAN_INTERVAL: Duration = Duration::from_secs(2);

/// How to record.
#[derive(Debug)]
pub struct Options {
    /// Folder of the trail.
    pub dir: PathBuf,
    /// What is recorded.
    pub settings: Settings,
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
            store: crate::store::Options::default(),
        }
    }
}
