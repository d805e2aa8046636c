//! What need not be done on the way of a statement: checkpoints, compaction, retention, and an eye on the
//! disk, on their own thread and connection.

mod disk;
mod wal;

use std::{
    path::{Path, PathBuf},
    sync::mpsc::{Receiver, RecvTimeoutError, Sender},
    time::Duration,
};

use self::{
    disk::Stage,
    wal::{Told, Wal},
};
use super::Notice;

use crate::{
    compact,
    config::{
        Config,
        amount::Size,
        file::{Disk, OnDiskFull},
    },
    health::{self, Health},
    retain::{
        self,
        plan::{Limits, Step},
    },
    store::{
        WAL_BYTES_KEPT,
        catalog::{Catalog, Checkpoint},
        files::snapshot_readers,
        health::measure,
    },
    time::{now_us, shown},
};

/// How often there is something to look after.
const INTERVAL: Duration = Duration::from_secs(1);

/// Least priority (`nice`); on Linux it is a thread's own.
const NICEST: i32 = 19;

/// How long to leave what failed alone, in intervals.
const PAUSE: u32 = 60;

/// How often it is looked for what is to go, in intervals.
const RETAIN_EVERY: u32 = 10;

/// What of the settings is gone by here.
#[derive(Debug, Clone)]
pub(super) struct Upkeep {
    limits: Limits,
    disk: Disk,
    /// Who lets segments go, for the tombstones.
    by: String,
}

impl Upkeep {
    /// That of `config`.
    pub(super) fn of(config: &Config) -> Self {
        Self {
            limits: config.limits(),
            disk: config.disk(),
            by: format!("the recorder, configuration {}", config.sha256()),
        }
    }
}

/// How full the disk of the trail in `dir` is, when that is too full to begin.
pub(super) fn must_halt(dir: &Path, disk: Disk) -> Option<String> {
    // Where nothing can be known of the disk, nothing is refused.
    let free = disk::free(dir).ok()?;
    let stage = Stage::default().next(free, &disk);
    (stage == Stage::Act && disk.on_disk_full == OnDiskFull::Halt).then(|| stage.told(free, &disk))
}

/// Looks after a trail. Nothing here can lose a row that is to be kept, so a failure is told and tried again
/// later.
#[derive(Debug)]
pub(super) struct Maintainer {
    dir: PathBuf,
    upkeep: Upkeep,
    notices: Sender<Notice>,
    health: Health,
    stage: Stage,
    /// Whether ingest was told to read nothing more.
    paused: bool,
    wal: Wal,
    /// Intervals until it is compacted again.
    compact_in: u32,
    /// Intervals until it is looked again for what is to go.
    retain_in: u32,
}

impl Maintainer {
    /// For the trail in `dir`.
    pub(super) fn new(
        dir: PathBuf,
        upkeep: Upkeep,
        notices: Sender<Notice>,
        health: Health,
    ) -> Self {
        Self {
            dir,
            upkeep,
            notices,
            health,
            stage: Stage::default(),
            paused: false,
            wal: Wal::default(),
            compact_in: 0,
            retain_in: 0,
        }
    }

    /// Goes on until the sender of `changed` is gone.
    pub(super) fn run(mut self, changed: &Receiver<Upkeep>) {
        // Whatever else wants the processor goes first, the database above all.
        if let Err(error) =
            rustix::process::setpriority_process(Some(rustix::thread::gettid()), NICEST)
        {
            tracing::warn!(%error, "cannot lower the priority of compaction");
        }
        let mut catalog = None;
        loop {
            match changed.recv_timeout(INTERVAL) {
                Ok(upkeep) => {
                    self.upkeep = upkeep;
                    self.retain_in = 0;
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            if catalog.is_none() {
                catalog = Catalog::open(&self.dir)
                    .inspect_err(|error| tracing::warn!(%error, "cannot look after the trail"))
                    .ok();
            }
            if let Some(open) = &mut catalog {
                self.look_after(open);
            }
        }
    }

    fn look_after(&mut self, catalog: &mut Catalog) {
        let checkpoint = catalog
            .checkpoint()
            .inspect_err(|error| tracing::warn!(%error, "cannot checkpoint"));
        match measure(catalog.connection(), &self.dir) {
            Ok(trail) => {
                if let Ok(checkpoint) = checkpoint {
                    self.look_at_wal(catalog, checkpoint, trail.wal_bytes);
                }
                self.health.trail(trail);
            }
            Err(error) => tracing::warn!(%error, "cannot measure the trail"),
        }
        self.look_at_disk(catalog);
        if self.compact_in > 0 {
            self.compact_in -= 1;
        } else if self.stage != Stage::Act {
            // A file to be written is what a full disk lacks.
            self.compact(catalog);
        }
        if self.retain_in > 0 {
            self.retain_in -= 1;
        } else {
            self.retain_in = RETAIN_EVERY;
            let limits = self.upkeep.limits;
            self.retain(catalog, &limits);
        }
    }

    /// Says when a reader lets the write-ahead log grow, and makes it small again when it is gone.
    fn look_at_wal(&mut self, catalog: &Catalog, checkpoint: Checkpoint, bytes: i64) {
        let told = self.wal.note(checkpoint, bytes, now_us());
        self.health.wal_held(self.wal.held_since_us());
        match told {
            None => {}
            Some(Told::Held { since_us }) => {
                let readers: Vec<String> = snapshot_readers(&self.dir)
                    .iter()
                    .map(ToString::to_string)
                    .collect();
                self.tell(
                    "wal",
                    format!(
                        "a reader has kept a snapshot since {}: the write-ahead log has {}, and grows; reading now: {}",
                        shown(since_us),
                        Size::of(bytes).about(),
                        if readers.is_empty() { "nobody that can be seen".to_owned() } else { readers.join(", ") }
                    ),
                );
            }
            Some(Told::Free {
                held_us,
                most_bytes,
            }) => self.tell(
                "wal",
                format!(
                    "the snapshot is gone after {} seconds: the write-ahead log had {}, and is taken over",
                    held_us / 1_000_000,
                    Size::of(most_bytes).about()
                ),
            ),
        }
        if self.wal.held_since_us().is_none()
            && bytes > WAL_BYTES_KEPT
            && let Err(error) = catalog.empty_wal()
        {
            tracing::warn!(%error, "cannot begin the write-ahead log anew");
        }
    }

    /// Looks how full the disk is, and does what is to be done then.
    fn look_at_disk(&mut self, catalog: &mut Catalog) {
        let free = match disk::free(&self.dir) {
            Ok(free) => free,
            Err(error) => {
                tracing::warn!(%error, "cannot tell how full the disk is");
                return;
            }
        };
        let disk = self.upkeep.disk;
        let stage = self.stage.next(free, &disk);
        let told = stage.told(free, &disk);
        let is_new = stage != self.stage;
        self.stage = stage;
        if is_new {
            self.tell("disk", told.clone());
        }
        let pause = match (stage, disk.on_disk_full) {
            (Stage::Ok | Stage::Warn, _) => false,
            (Stage::Act, OnDiskFull::StopReading) => true,
            (Stage::Act, OnDiskFull::DropOldestArchive) => {
                let limits = Limits {
                    excess_bytes: disk::missing(free, &disk),
                    ..self.upkeep.limits
                };
                self.retain(catalog, &limits).is_empty()
            }
            (Stage::Act, OnDiskFull::Halt) => {
                self.send(Notice::Halt(told));
                true
            }
        };
        self.health.disk(health::Disk {
            stage: stage.as_str().to_owned(),
            free_bytes: free,
            reading_stopped: pause,
        });
        if pause != self.paused {
            self.paused = pause;
            let detail = if pause {
                "nothing more is read: the ring holds what it can"
            } else {
                "reading goes on"
            };
            self.tell("disk", detail.to_owned());
            self.send(Notice::Pause(pause));
        }
    }

    /// A row of the trail, and a line of the log.
    fn tell(&self, what: &'static str, detail: String) {
        tracing::warn!(detail, "{what}");
        self.send(Notice::Lifecycle(what, detail));
    }

    fn send(&self, notice: Notice) {
        if self.notices.send(notice).is_err() {
            tracing::debug!("the ingest thread has ended");
        }
    }

    fn compact(&mut self, catalog: &mut Catalog) {
        match compact::run(&self.dir, catalog, now_us()) {
            Ok(files) => {
                for file in files {
                    tracing::info!(path = file.path, rows = file.rows, "compacted");
                }
            }
            Err(error) => {
                self.failed("compact", error);
                self.compact_in = PAUSE;
            }
        }
    }

    /// Lets go what the limits say; gives what went.
    fn retain(&mut self, catalog: &mut Catalog, limits: &Limits) -> Vec<Step> {
        let outcome = match retain::run(&self.dir, catalog, limits, &self.upkeep.by, now_us()) {
            Ok(outcome) => outcome,
            Err(error) => {
                self.failed("let segments go", error);
                self.retain_in = PAUSE;
                return Vec::new();
            }
        };
        for step in &outcome.done {
            let (segment, deed, reason) =
                (step.segment_id, step.deed.as_str(), step.reason.as_str());
            tracing::info!(segment, deed, reason, rows = step.rows, "a segment goes");
        }
        for error in outcome.failed {
            self.failed("let a segment go", error);
            self.retain_in = PAUSE;
        }
        outcome.done
    }

    fn failed(&self, what: &str, error: impl std::error::Error + Send + Sync + 'static) {
        let error = format!("{:#}", anyhow::Error::new(error));
        self.health
            .error(&format!("cannot {what}: {error}"), now_us());
        tracing::warn!(error, "cannot {what}");
    }
}
