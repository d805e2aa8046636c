//! How recording goes: numbers that every thread adds to, for a monitoring system, `sqltrail status`
//! and the service manager.
//!
//! Takes what the recorder's threads say, gives a [`Snapshot`]. Nothing here waits for anything but
//! another thread's addition.

mod collect;
pub mod notify;
mod serve;
mod snapshot;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub use collect::text;
pub use serve::{ServeError, Served, serve};
pub use snapshot::{
    COMMIT_BOUNDS_US, Commits, Disk, LastError, ROWS_BOUNDS, Ring, Server, Snapshot, Spread, Trail,
};

use crate::flow::Event;

/// The numbers, shared by the threads of one recorder.
#[derive(Debug, Clone)]
pub struct Health {
    shared: Arc<Mutex<Snapshot>>,
}

impl Health {
    /// Of a recorder that starts; times are microseconds since the Unix epoch.
    #[must_use]
    pub fn new(pid: u32, now_us: i64) -> Self {
        Self {
            shared: Arc::new(Mutex::new(Snapshot::new(pid, now_us))),
        }
    }

    /// As things stand.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        self.lock().clone()
    }

    /// Which servers are attached.
    pub fn servers(&self, servers: Vec<Server>) {
        self.lock().servers = servers;
    }

    /// How full the ring is, bytes, and how old the oldest record that waits to be stored is.
    pub fn waiting(&self, ring_used: u64, ring_bytes: u64, lag_us: i64, now_us: i64) {
        let mut now = self.lock();
        now.at_us = now_us;
        now.lag_us = lag_us;
        now.ring.bytes = ring_bytes;
        now.ring.used = ring_used;
        now.ring.used_max = now.ring.used_max.max(ring_used);
    }

    /// A batch is stored: its rows, how long that took, and how old its oldest record was then.
    pub fn stored(&self, events: &[Event], took_us: i64, lag_us: i64, now_us: i64) {
        let mut now = self.lock();
        now.at_us = now_us;
        for event in events {
            *now.rows.entry(event.kind.as_str().to_owned()).or_default() += 1;
            if event.kind == crate::flow::Kind::Loss {
                let count = u64::try_from(event.repeat_count).unwrap_or(0);
                *now.lost.entry(event.command.to_owned()).or_default() += count;
            }
        }
        now.lag_us = 0;
        now.lag_max_us = now.lag_max_us.max(lag_us);
        now.commits.time_us.add(took_us, &COMMIT_BOUNDS_US);
        let rows = i64::try_from(events.len()).unwrap_or(i64::MAX);
        now.commits.rows.add(rows, &ROWS_BOUNDS);
        now.held_up = false;
    }

    /// A batch could not be stored, and waits.
    pub fn held_up(&self, why: &str, now_us: i64) {
        self.lock().held_up = true;
        self.error(why, now_us);
        self.lock().commits.failed += 1;
    }

    /// Something went wrong.
    pub fn error(&self, what: &str, now_us: i64) {
        let mut now = self.lock();
        now.errors += 1;
        now.last_error = Some(LastError {
            at_us: now_us,
            message: what.to_owned(),
        });
    }

    /// What the trail takes on disk.
    pub fn trail(&self, trail: Trail) {
        self.lock().trail = trail;
    }

    /// How full the disk is, and what is done about it.
    pub fn disk(&self, disk: Disk) {
        self.lock().disk = disk;
    }

    /// Since when a reader keeps the write-ahead log from being taken over.
    pub fn wal_held(&self, since_us: Option<i64>) {
        self.lock().wal_held_since_us = since_us;
    }

    /// A thread that panicked left whole numbers: each is written at once.
    fn lock(&self) -> MutexGuard<'_, Snapshot> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
