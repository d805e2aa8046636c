//! The numbers at one moment, as they are stored and shown.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Upper bounds of the classes of a commit's time, microseconds.
pub const COMMIT_BOUNDS_US: [i64; 10] = [
    500, 1_000, 2_000, 5_000, 10_000, 25_000, 100_000, 500_000, 2_000_000, 10_000_000,
];

/// Upper bounds of the classes of a batch's rows.
pub const ROWS_BOUNDS: [i64; 10] = [1, 4, 16, 64, 256, 1_024, 2_048, 4_096, 8_192, 16_384];

/// Everything that is known of a recorder. Times are microseconds since the Unix epoch; what counts,
/// counts from its start.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Snapshot {
    /// Its version.
    pub version: String,
    /// Its process.
    pub pid: u32,
    /// When it started.
    pub started_us: i64,
    /// When these numbers were true.
    pub at_us: i64,
    /// Server binaries that are attached.
    pub servers: Vec<Server>,
    /// Rows stored, by kind.
    pub rows: BTreeMap<String, u64>,
    /// What was lost, by reason, as the `loss` rows say.
    pub lost: BTreeMap<String, u64>,
    /// The ring.
    pub ring: Ring,
    /// How old the oldest record is that waits to be stored, microseconds.
    pub lag_us: i64,
    /// The largest lag of any batch when it was stored.
    pub lag_max_us: i64,
    /// Commits.
    pub commits: Commits,
    /// Whether a batch waits because it could not be stored.
    pub held_up: bool,
    /// What the trail takes on disk.
    pub trail: Trail,
    /// The disk that it is on.
    pub disk: Disk,
    /// Since when a reader keeps the write-ahead log from being taken over; none while none does.
    pub wal_held_since_us: Option<i64>,
    /// How often something went wrong.
    pub errors: u64,
    /// The last of it.
    pub last_error: Option<LastError>,
}

/// A server binary that is attached.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Server {
    /// `postgresql`, `mariadb` or `mysql`.
    pub system: String,
    /// As the binary says; empty when it does not.
    pub version: String,
    /// Path of the binary.
    pub exe: String,
}

/// The ring between kernel and recorder, bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ring {
    /// Its size.
    pub bytes: u64,
    /// What is in it.
    pub used: u64,
    /// The most that was seen in it.
    pub used_max: u64,
}

/// Commits to the database.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Commits {
    /// How long each took, microseconds.
    pub time_us: Spread,
    /// How many rows each stored.
    pub rows: Spread,
    /// How many tries failed.
    pub failed: u64,
}

/// How a quantity spreads.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spread {
    /// How many there were.
    pub count: u64,
    /// All together.
    pub sum: i64,
    /// The last.
    pub last: i64,
    /// The largest.
    pub max: i64,
    /// How many were in each class; those above its last bound are in none.
    pub classes: Vec<u64>,
}

impl Spread {
    /// Adds `value`; the classes are those of `bounds`.
    pub fn add(&mut self, value: i64, bounds: &[i64]) {
        self.classes.resize(bounds.len(), 0);
        self.count += 1;
        self.sum = self.sum.saturating_add(value);
        self.last = value;
        self.max = self.max.max(value);
        let at = bounds.iter().position(|bound| value <= *bound);
        if let Some(class) = at.and_then(|at| self.classes.get_mut(at)) {
            *class += 1;
        }
    }
}

/// What the trail takes on disk.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Trail {
    /// Segments, by state.
    pub segments: BTreeMap<String, i64>,
    /// Rows in the database.
    pub rows: i64,
    /// Bytes of the database file.
    pub database_bytes: i64,
    /// Bytes of its write-ahead log.
    pub wal_bytes: i64,
    /// Parquet files.
    pub archive_files: i64,
    /// Rows in them.
    pub archive_rows: i64,
    /// Their bytes.
    pub archive_bytes: i64,
}

/// The disk of the trail.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Disk {
    /// `ok`, `warn` or `act`; empty until somebody has looked.
    pub stage: String,
    /// Free bytes.
    pub free_bytes: i64,
    /// Whether nothing more is read of the ring, since the disk is full.
    pub reading_stopped: bool,
}

/// Something that went wrong.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastError {
    /// When.
    pub at_us: i64,
    /// What.
    pub message: String,
}

impl Snapshot {
    /// Of a recorder that starts.
    #[must_use]
    pub fn new(pid: u32, now_us: i64) -> Self {
        Self {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid,
            started_us: now_us,
            at_us: now_us,
            ..Self::default()
        }
    }

    /// All that was lost.
    #[must_use]
    pub fn lost_total(&self) -> u64 {
        self.lost.values().sum()
    }
}
