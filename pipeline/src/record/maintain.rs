//! What need not be done on the way of a statement: checkpoints and compaction, on their own thread
//! and connection.

use std::{
    path::Path,
    sync::mpsc::{Receiver, RecvTimeoutError},
    time::Duration,
};

use crate::{
    compact,
    health::Health,
    store::{catalog::Catalog, health::measure},
    time::now_us,
};

/// How often there is something to look after.
const INTERVAL: Duration = Duration::from_secs(1);

/// Least priority (`nice`); on Linux it is a thread's own.
const NICEST: i32 = 19;

/// How long to leave a failed compaction alone, in intervals.
const PAUSE: u32 = 60;

/// Looks after the trail in `dir` until the sender of `stop` is gone. Nothing here can lose a row, so
/// a failure is told and tried again later.
pub(super) fn run(dir: &Path, stop: &Receiver<()>, health: &Health) {
    // Whatever else wants the processor goes first, the database above all.
    if let Err(error) = rustix::process::setpriority_process(Some(rustix::thread::gettid()), NICEST)
    {
        tracing::warn!(%error, "cannot lower the priority of compaction");
    }
    let mut catalog = None;
    let mut pause = 0;
    while stop.recv_timeout(INTERVAL) == Err(RecvTimeoutError::Timeout) {
        if catalog.is_none() {
            catalog = Catalog::open(dir)
                .inspect_err(|error| tracing::warn!(%error, "cannot look after the trail"))
                .ok();
        }
        let Some(open) = &mut catalog else { continue };
        if let Err(error) = open.checkpoint() {
            tracing::warn!(%error, "cannot checkpoint");
        }
        match measure(open.connection(), dir) {
            Ok(trail) => health.trail(trail),
            Err(error) => tracing::warn!(%error, "cannot measure the trail"),
        }
        if pause > 0 {
            pause -= 1;
            continue;
        }
        match compact::run(dir, open, now_us()) {
            Ok(files) => {
                for file in files {
                    tracing::info!(path = file.path, rows = file.rows, "compacted");
                }
            }
            Err(error) => {
                let error = format!("{:#}", anyhow::Error::new(error));
                health.error(&format!("cannot compact: {error}"), now_us());
                tracing::warn!(error, "cannot compact");
                pause = PAUSE;
            }
        }
    }
}
