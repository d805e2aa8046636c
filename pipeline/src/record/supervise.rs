//! Starts the threads, follows servers and signals, ends everything in order.

use std::{
    path::PathBuf,
    sync::mpsc::{self, Sender},
    thread::{self, JoinHandle},
};

use capture::attach::CaptureError;
use tokio::{
    signal::unix::{SignalKind, signal},
    time::{MissedTickBehavior, interval},
};

use super::{
    Notice, Options, SCAN_INTERVAL,
    ingest::{Ingest, IngestError},
    maintain::{self, Maintainer, Upkeep},
    resume,
    settings::Settings,
    watch::{Watch, WatchError},
};
use crate::{
    health::{self, Health, ServeError, notify},
    store::{Store, error::StoreError},
    time::now_us,
};

/// Why recording did not start, or ended.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// The trail cannot be written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The kernel half cannot be loaded.
    #[error(transparent)]
    Capture(#[from] CaptureError),
    /// A server cannot be watched.
    #[error(transparent)]
    Watch(#[from] WatchError),
    /// Rows cannot be taken from the ring to the store.
    #[error(transparent)]
    Ingest(#[from] IngestError),
    /// The probes that are pinned record for another trail.
    #[error("the probes at {} belong to another trail", pin_path.display())]
    OtherTrail {
        /// Where they are pinned.
        pin_path: PathBuf,
    },
    /// The disk is full, and the settings say that nothing is recorded then.
    #[error("the disk is full: {why}")]
    DiskFull {
        /// How full.
        why: String,
    },
    /// The system refuses something ordinary.
    #[error("cannot {what}")]
    System {
        /// What.
        what: &'static str,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The page of metrics.
    #[error(transparent)]
    Metrics(#[from] ServeError),
    /// A thread ended in a way that it never should.
    #[error("the ingest thread panicked")]
    Panicked,
}

impl RecordError {
    /// What the user can do about it.
    #[must_use]
    pub fn hint(&self) -> Option<&str> {
        match self {
            Self::Store(error) => error.hint(),
            Self::Ingest(IngestError::Store { source, .. }) => source.hint(),
            Self::Capture(error) | Self::Watch(WatchError::Capture(error)) => error.hint(),
            Self::Watch(WatchError::NoServer(_)) => Some(
                "`sqltrail servers` lists what runs; without a name every server is recorded, also a later one",
            ),
            Self::Watch(_) => Some("`sqltrail doctor` says what is missing"),
            Self::OtherTrail { .. } => Some(
                "record into that trail with --dir, name another --pin-path, or remove the probes with `sqltrail detach`",
            ),
            Self::Ingest(IngestError::Halted { .. }) | Self::DiskFull { .. } => {
                Some("free space, or set on_disk_full in [disk] to what is to be done instead")
            }
            Self::Ingest(IngestError::Resume(error)) => error.hint(),
            Self::Ingest(IngestError::Vault(_) | IngestError::Keep(_)) => Some(
                "`sqltrail detach` removes the probes that a former recorder has left; what they recorded meanwhile is lost",
            ),
            Self::Metrics(_) => Some(
                "--metrics takes an address of this machine and a free port, as in 127.0.0.1:9464",
            ),
            Self::Ingest(_) | Self::System { .. } | Self::Panicked => None,
        }
    }
}

/// Records until SIGINT, SIGTERM or SIGHUP; `ready` is called with the number of servers once all that run
/// are attached.
///
/// # Errors
///
/// When recording cannot start, or cannot go on.
pub fn run(mut options: Options, ready: impl FnOnce(usize)) -> Result<(), RecordError> {
    let config = options.settings.current().clone();
    let health = Health::new(std::process::id(), now_us());
    let _metrics = config
        .metrics()
        .map(|address| health::serve(address, health.clone()))
        .transpose()?
        .inspect(|served| tracing::info!(address = %served.address(), "serving metrics"));
    let store = Store::open(&options.dir, options.store, now_us())?;
    if let Some(why) = maintain::must_halt(&options.dir, config.disk()) {
        return Err(RecordError::DiskFull { why });
    }
    let resumed = resume::begin(store, &options, &health)?;
    let (notices, heard) = mpsc::channel();
    let mut watch = Watch::new(
        resumed.capture,
        resumed.targets,
        config.servers().to_vec(),
        notices.clone(),
    );
    watch.adopt()?;
    let start = format!(
        "sqltrail {}, configuration {}",
        env!("CARGO_PKG_VERSION"),
        config.sha256()
    );
    let first = [Notice::settings(&config)].into_iter();
    let told = first
        .chain(resumed.notices)
        .chain([Notice::Lifecycle("start", start)]);
    for notice in told {
        let told = notices.send(notice);
        debug_assert!(told.is_ok(), "the receiver is held here");
    }
    let ingest = Ingest::new(resumed.start, heard, health.clone())?;

    let ingest = spawn("ingest", move || ingest.run())?;
    let dir = options.dir.clone();
    let (upkeep, changed) = mpsc::channel();
    let maintainer = Maintainer::new(dir, Upkeep::of(&config), notices.clone(), health.clone());
    let maintenance = spawn("maintain", move || maintainer.run(&changed))?;

    let watched = watch.start().map_err(RecordError::from).and_then(|()| {
        ready(watch.len());
        health.servers(watch.servers());
        notify::ready(recording(&watch));
        let told = Told {
            notices: &notices,
            upkeep: &upkeep,
        };
        supervise(&mut watch, &mut options.settings, told, &ingest, &health)
    });
    notify::stopping();
    if options.keep_probes && watched.is_ok() {
        watch.leave();
    } else {
        watch.stop();
    }
    drop(notices);
    let ingested = ingest.join().map_err(|_| RecordError::Panicked)?;
    drop(upkeep);
    maintenance.join().map_err(|_| RecordError::Panicked)?;
    // What could not be stored stays in the ring for the next start.
    if ingested.is_ok() && !(options.keep_probes && watched.is_ok()) {
        watch.into_pins().remove().map_err(CaptureError::from)?;
    }
    watched?;
    ingested?;
    Ok(())
}

/// The threads that are told of new settings.
#[derive(Debug, Clone, Copy)]
struct Told<'a> {
    notices: &'a Sender<Notice>,
    upkeep: &'a Sender<Upkeep>,
}

/// Reads the configuration again. One that cannot be used is put on record, and the former one holds.
fn reload(watch: &mut Watch, settings: &mut Settings, Told { notices, upkeep }: Told<'_>) {
    let reloaded = settings
        .reload()
        .map_err(anyhow::Error::new)
        .and_then(|old| {
            watch.reconfigure(settings.current())?;
            Ok(old)
        });
    let told = match reloaded {
        Ok(old) => {
            let new = settings.current();
            let mut changes = old.changes(new);
            if let Some(key) = old.needs_restart(new) {
                changes.push(format!("{key} takes a restart"));
            }
            let detail = format!(
                "{} -> {}: {}",
                old.sha256(),
                new.sha256(),
                if changes.is_empty() {
                    "nothing changed".to_owned()
                } else {
                    changes.join("; ")
                }
            );
            tracing::info!(detail, "configuration read");
            if upkeep.send(Upkeep::of(new)).is_err() {
                tracing::debug!("the maintenance thread has ended");
            }
            notices
                .send(Notice::settings(new))
                .and_then(|()| notices.send(Notice::Lifecycle("config", detail)))
        }
        Err(error) => {
            let detail = format!("{error:#}");
            tracing::error!(
                detail,
                "the configuration cannot be used; the former one holds"
            );
            notices.send(Notice::Lifecycle("config_rejected", detail))
        }
    };
    if told.is_err() {
        // The thread's own error is what the user gets to see.
        tracing::debug!("the ingest thread has ended");
    }
}

/// Whether a hangup means that the terminal is gone, and not that somebody asks for a look at the
/// configuration.
fn has_terminal() -> bool {
    use std::io::IsTerminal as _;
    std::io::stdin().is_terminal() || std::io::stderr().is_terminal()
}

/// The recorder in a line.
fn recording(watch: &Watch) -> String {
    format!("recording from {} server binaries", watch.len())
}

/// Follows servers until a signal comes or the ingest thread ends.
fn supervise<T>(
    watch: &mut Watch,
    settings: &mut Settings,
    told: Told<'_>,
    ingest: &JoinHandle<T>,
    health: &Health,
) -> Result<(), RecordError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(system("start the runtime"))?;
    runtime.block_on(async {
        let mut interrupt = signal(SignalKind::interrupt()).map_err(system("listen for SIGINT"))?;
        let mut terminate =
            signal(SignalKind::terminate()).map_err(system("listen for SIGTERM"))?;
        let mut hangup = signal(SignalKind::hangup()).map_err(system("listen for SIGHUP"))?;
        let on_terminal = has_terminal();
        let mut scans = interval(SCAN_INTERVAL);
        scans.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = interrupt.recv() => return Ok(()),
                _ = terminate.recv() => return Ok(()),
                _ = hangup.recv() => {
                    // The terminal is gone; what was recorded is not to go with it.
                    if on_terminal {
                        return Ok(());
                    }
                    notify::reloading();
                    reload(watch, settings, told);
                    notify::ready(recording(watch));
                }
                _ = scans.tick() => {
                    if ingest.is_finished() {
                        return Ok(());
                    }
                    let before = watch.len();
                    watch.follow()?;
                    health.servers(watch.servers());
                    if watch.len() != before {
                        notify::status(recording(watch));
                    }
                }
            }
        }
    })
}

fn spawn<T: Send + 'static>(
    name: &'static str,
    body: impl FnOnce() -> T + Send + 'static,
) -> Result<JoinHandle<T>, RecordError> {
    thread::Builder::new()
        .name(name.to_owned())
        .spawn(body)
        .map_err(system("start a thread"))
}

pub(super) fn system(what: &'static str) -> impl Fn(std::io::Error) -> RecordError {
    move |source| RecordError::System { what, source }
}

pub(super) fn host_name() -> std::io::Result<String> {
    Ok(std::fs::read_to_string("/proc/sys/kernel/hostname")?
        .trim()
        .to_owned())
}
