//! What need not be done on the way of a statement: checkpoints, compaction and retention, on their own
//! thread and connection.

use std::{
    path::PathBuf,
    sync::mpsc::{Receiver, RecvTimeoutError},
    time::Duration,
};

use crate::{
    compact,
    config::Config,
    health::Health,
    retain::{
        self,
        plan::{Limits, Step},
    },
    store::{catalog::Catalog, health::measure},
    time::now_us,
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
    /// Who lets segments go, for the tombstones.
    by: String,
}

impl Upkeep {
    /// That of `config`.
    pub(super) fn of(config: &Config) -> Self {
        Self {
            limits: config.limits(),
            by: format!("the recorder, configuration {}", config.sha256()),
        }
    }
}

/// Looks after a trail. Nothing here can lose a row that is to be kept, so a failure is told and tried again
/// later.
#[derive(Debug)]
pub(super) struct Maintainer {
    dir: PathBuf,
    upkeep: Upkeep,
    health: Health,
    /// Intervals until it is compacted again.
    compact_in: u32,
    /// Intervals until it is looked again for what is to go.
    retain_in: u32,
}

impl Maintainer {
    /// For the trail in `dir`.
    pub(super) fn new(dir: PathBuf, upkeep: Upkeep, health: Health) -> Self {
        Self {
            dir,
            upkeep,
            health,
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
        if let Err(error) = catalog.checkpoint() {
            tracing::warn!(%error, "cannot checkpoint");
        }
        match measure(catalog.connection(), &self.dir) {
            Ok(trail) => self.health.trail(trail),
            Err(error) => tracing::warn!(%error, "cannot measure the trail"),
        }
        if self.compact_in == 0 {
            self.compact(catalog);
        } else {
            self.compact_in -= 1;
        }
        if self.retain_in == 0 {
            self.retain_in = RETAIN_EVERY;
            let limits = self.upkeep.limits;
            self.retain(catalog, &limits);
        } else {
            self.retain_in -= 1;
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
