//! Which servers are watched: found, resolved, attached.

mod describe;
mod held;
mod known;

use std::{
    collections::HashMap,
    io,
    path::Path,
    sync::mpsc::Sender,
    time::{Duration, Instant},
};

use capture::{
    attach::{Capture, CaptureError, Processes},
    elf::{ElfError, Image},
    pins::Pins,
    resolve::{ResolveError, Resolved, resolve},
    servers::{Scan, Scanner, Server, ServerError, Skipped},
};

use self::held::{Held, State};
pub(super) use self::known::{Known, known};
use super::{Notice, supervise::RecordError};
use crate::{
    config::Config,
    health,
    store::{error::StoreError, standing::Targets},
};

/// How long to wait before a server that could not be attached is tried again.
const RETRY_INTERVAL: Duration = Duration::from_secs(30);

/// Why a server is not watched.
#[derive(Debug, thiserror::Error)]
pub enum WatchError {
    /// Running processes cannot be looked through.
    #[error("cannot look for servers")]
    Scan(#[source] ServerError),
    /// A server that was asked for does not run.
    #[error("no server matches {0}")]
    NoServer(String),
    /// Its binary cannot be opened.
    #[error("cannot open {exe}")]
    Open {
        /// The binary.
        exe: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Its binary cannot be read.
    #[error("cannot read {exe}")]
    Image {
        /// The binary.
        exe: String,
        /// Why.
        #[source]
        source: ElfError,
    },
    /// Its binary lacks what recording needs.
    #[error("cannot record {exe}")]
    Resolve {
        /// The binary.
        exe: String,
        /// Why.
        #[source]
        source: ResolveError,
    },
    /// What reading its records takes cannot be noted.
    #[error("cannot note what {exe} is")]
    Note {
        /// The binary.
        exe: String,
        /// Why.
        #[source]
        source: Box<StoreError>,
    },
    /// The kernel does not let the probes be attached.
    #[error(transparent)]
    Capture(#[from] CaptureError),
}

/// Whether a server is meant by `wanted`: an engine's name, a process id, or the binary's path.
#[must_use]
pub(super) fn is_meant(server: &Server, wanted: &str) -> bool {
    let engine = server.engine.name();
    let by_name = wanted == engine || (wanted == "postgres" && engine == "postgresql");
    let by_pid = wanted
        .parse()
        .is_ok_and(|pid: i32| server.pids.contains(&pid));
    by_name || by_pid || server.exe == Path::new(wanted)
}

/// A server binary whose probes are on.
#[derive(Debug)]
struct Attached {
    index: u32,
    held: Held,
}

/// Why an attempt to attach failed, and when it is made again.
#[derive(Debug)]
struct Refused {
    server: Server,
    why: String,
    again: Instant,
}

/// Watches servers and tells the ingest thread of each.
pub(super) struct Watch {
    scanner: Scanner,
    capture: Capture,
    targets: Targets,
    wanted: Vec<String>,
    notices: Sender<Notice>,
    attached: Vec<Attached>,
    /// What a former recorder has left attached, until it is known which of it is wanted.
    adopted: Vec<Known>,
    refused: Vec<Refused>,
    /// Processes that look like servers and are none that can be recorded, as it was put on record.
    skipped: HashMap<i32, String>,
}

impl Watch {
    pub(super) fn new(
        capture: Capture,
        targets: Targets,
        wanted: Vec<String>,
        notices: Sender<Notice>,
    ) -> Self {
        Self {
            scanner: Scanner::new(Path::new("/proc")),
            capture,
            targets,
            wanted,
            notices,
            attached: Vec::new(),
            adopted: Vec::new(),
            refused: Vec::new(),
            skipped: HashMap::new(),
        }
    }

    /// How many server binaries are attached.
    pub(super) fn len(&self) -> usize {
        self.attached.len()
    }

    /// Which server binaries are attached.
    pub(super) fn servers(&self) -> Vec<health::Server> {
        let servers = self.attached.iter().map(|on| &on.held.server);
        let mut servers: Vec<_> = servers
            .map(|server| health::Server {
                system: server.engine.name().to_owned(),
                version: server.version.clone().unwrap_or_default(),
                exe: server.exe.display().to_string(),
            })
            .collect();
        servers.sort_by(|one, other| one.exe.cmp(&other.exe));
        servers
    }

    /// Goes on with the probes that a former recorder has left.
    pub(super) fn adopt(&mut self) -> Result<(), RecordError> {
        let whole = self.capture.adopt();
        for known in known(&self.targets)? {
            self.capture.reserve(known.index);
            self.tell(Notice::Target(known.index, known.target.clone()));
            if whole.contains(&known.index) {
                let detail = known.description();
                tracing::info!(detail, "adopted");
                self.tell(Notice::Lifecycle("adopt", detail));
                self.adopted.push(known);
            }
        }
        Ok(())
    }

    /// Attaches to every meant server; one that cannot be attached is an error.
    pub(super) fn start(&mut self) -> Result<(), WatchError> {
        let scan = self.find()?;
        for wanted in &self.wanted {
            if !scan.servers.iter().any(|server| is_meant(server, wanted)) {
                return Err(WatchError::NoServer(wanted.clone()));
            }
        }
        let running = scan.servers.iter().flat_map(|server| server.pids.clone());
        self.tell(Notice::Running(running.collect()));
        for server in self.meant(&scan.servers) {
            let known = self.adopted.iter().position(|known| known.is(&server));
            match known.map(|place| self.adopted.remove(place)) {
                Some(known) => self.renew(known.index, server)?,
                None => self.attach(server)?,
            }
        }
        for known in std::mem::take(&mut self.adopted) {
            let detail = format!(
                "{}: no process that is to be recorded runs it",
                known.description()
            );
            self.detach(known.index, detail);
        }
        Ok(())
    }

    /// Attaches to servers that have started since, and detaches from what is no more; one that cannot
    /// be attached is put on record, and tried again later.
    pub(super) fn follow(&mut self) -> Result<(), WatchError> {
        let Scan { servers, skipped } = self.find()?;
        let meant = self.meant(&servers);
        let among = |list: &[Server], held: &Held| {
            list.iter().any(|found| found.is_same_file(&held.server))
        };
        self.release(|held| {
            let not_meant = among(&servers, held) && !among(&meant, held);
            not_meant.then_some("it is no longer among the servers to record")
        });
        self.processes(&meant);
        self.release(|held| match held.state() {
            Ok(State::Rewritten) => Some("its file was written to"),
            Ok(State::Removed) if held.server.pids.is_empty() => {
                Some("it was replaced or removed, and no process runs it any more")
            }
            Ok(State::Whole | State::Removed) => None,
            Err(_) => Some("its file cannot be looked at"),
        });
        self.skipped(&skipped);
        self.refused.retain(|refused| {
            meant
                .iter()
                .any(|server| server.is_same_file(&refused.server))
        });
        for server in meant {
            let same = |other: &Server| other.is_same_file(&server);
            if self.attached.iter().any(|on| same(&on.held.server)) {
                continue;
            }
            let refused = self
                .refused
                .iter()
                .position(|refused| same(&refused.server));
            if refused.is_some_and(|place| self.refused[place].again > Instant::now()) {
                continue;
            }
            let before = refused.map(|place| self.refused.swap_remove(place).why);
            if let Err(error) = self.attach(server.clone()) {
                let why = format!("{:#}", anyhow::Error::new(error));
                tracing::error!(exe = %server.exe.display(), error = why, "cannot record a server");
                if before.as_ref() != Some(&why) {
                    self.tell(Notice::Lifecycle("attach_failed", why.clone()));
                }
                let again = Instant::now() + RETRY_INTERVAL;
                self.refused.push(Refused { server, why, again });
            }
        }
        Ok(())
    }

    /// Puts on record which server processes have come and gone.
    fn processes(&mut self, servers: &[Server]) {
        let mut told = Vec::new();
        for Attached { held, .. } in &mut self.attached {
            let mut now = held.server.clone();
            now.pids.clear();
            if let Some(found) = servers
                .iter()
                .find(|found| found.is_same_file(&held.server))
            {
                now = found.clone();
            }
            let before = held.server.clone();
            let (new, gone) = held.update(&now);
            for pid in gone {
                told.push(Notice::Ended(pid, describe::process(&before, pid)));
            }
            for pid in new {
                let detail = describe::process(&now, pid);
                told.push(Notice::Lifecycle("server_start", detail));
            }
        }
        for notice in told {
            self.tell(notice);
        }
    }

    /// Detaches from those for which `why` has a reason.
    fn release(&mut self, why: impl Fn(&Held) -> Option<&'static str>) {
        for on in std::mem::take(&mut self.attached) {
            match why(&on.held) {
                Some(why) => {
                    self.detach(
                        on.index,
                        format!("{}: {why}", describe::binary(&on.held.server)),
                    );
                }
                None => self.attached.push(on),
            }
        }
    }

    /// Puts on record, once each, what looks like a server and cannot be recorded.
    fn skipped(&mut self, skipped: &[Skipped]) {
        self.skipped
            .retain(|pid, _| skipped.iter().any(|skipped| skipped.pid == *pid));
        for Skipped { pid, why } in skipped {
            // Only what is asked for by engine, or not at all, can be meant without being known.
            let named = self.wanted.iter().any(|wanted| *wanted == pid.to_string());
            if !self.wanted.is_empty() && !named {
                continue;
            }
            let why = format!("process {pid}: {}", describe::error(why));
            if self.skipped.insert(*pid, why.clone()).as_ref() != Some(&why) {
                tracing::error!(error = why, "cannot record a process");
                self.tell(Notice::Lifecycle("attach_failed", why));
            }
        }
    }

    fn detach(&mut self, index: u32, detail: String) {
        self.capture.detach(index);
        tracing::info!(detail, "detached");
        self.tell(Notice::Lifecycle("detach", detail));
    }

    /// Records by other settings from now on.
    pub(super) fn reconfigure(&mut self, config: &Config) -> Result<(), WatchError> {
        self.wanted = config.servers().to_vec();
        let servers = self.attached.iter();
        self.capture.reconfigure(
            config.capture(),
            &processes(config),
            servers.map(|on| (on.index, &on.held.server)),
        )?;
        Ok(())
    }

    /// Detaches from every server.
    pub(super) fn stop(&mut self) {
        self.capture.detach_all();
        for Attached { held, .. } in std::mem::take(&mut self.attached) {
            let detail = format!("{}: recording ends", describe::binary(&held.server));
            self.tell(Notice::Lifecycle("detach", detail));
        }
        self.tell(Notice::Stop);
    }

    /// Ends, and leaves the probes on.
    pub(super) fn leave(&self) {
        self.tell(Notice::Leave);
    }

    /// Gives the pins back; their holder decides what becomes of them.
    pub(super) fn into_pins(self) -> Pins {
        self.capture.into_pins()
    }

    fn find(&mut self) -> Result<Scan, WatchError> {
        self.scanner.scan().map_err(WatchError::Scan)
    }

    /// The servers to record; where all are given as process ids, with these alone of their processes.
    fn meant(&self, servers: &[Server]) -> Vec<Server> {
        let pids = named_pids(&self.wanted);
        let mut meant: Vec<Server> = servers
            .iter()
            .filter(|server| self.means(server))
            .cloned()
            .collect();
        if !pids.is_empty() {
            for server in &mut meant {
                let is_named = |pid: &i32| u32::try_from(*pid).is_ok_and(|pid| pids.contains(&pid));
                server.pids.retain(is_named);
            }
        }
        meant
    }

    fn means(&self, server: &Server) -> bool {
        self.wanted.is_empty() || self.wanted.iter().any(|wanted| is_meant(server, wanted))
    }

    /// Lets the probes of a former recorder record what is wanted now.
    fn renew(&mut self, index: u32, server: Server) -> Result<(), WatchError> {
        let (held, resolved) = opened(server)?;
        self.capture.renew(index, &held.server, &resolved)?;
        self.attached.push(Attached { index, held });
        Ok(())
    }

    fn attach(&mut self, server: Server) -> Result<(), WatchError> {
        let exe = server.exe.display().to_string();
        let (held, resolved) = opened(server)?;
        let index = self.capture.prepare(&resolved)?;
        let known = Known::new(index, &held.server, &resolved);
        // So must whoever reads the ring when this process is gone.
        if let Err(source) = self.targets.put(&known.noted()) {
            self.capture.detach(index);
            return Err(WatchError::Note {
                exe,
                source: Box::new(source),
            });
        }
        // The ingest thread must know the target before the first of its records is in the ring.
        self.tell(Notice::Target(index, known.target));
        self.capture.attach(index, &held.server)?;
        let detail = describe::attached(&held.server, &resolved);
        self.attached.push(Attached { index, held });
        tracing::info!(detail, "attached");
        self.tell(Notice::Lifecycle("attach", detail));
        Ok(())
    }

    fn tell(&self, notice: Notice) {
        if self.notices.send(notice).is_err() {
            // The thread's own error is what the user gets to see.
            tracing::debug!("the ingest thread has ended");
        }
    }
}

/// Which processes are to be recorded: where all servers are given as process ids, these alone, and not
/// the others that run the same binary.
pub(super) fn processes(config: &Config) -> Processes {
    let kernel = config.kernel();
    let mut pids = kernel.pids.clone();
    pids.extend(named_pids(config.servers()));
    Processes {
        pids,
        not_pids: kernel.exclude_pids.clone(),
        uids: kernel.uids.clone(),
        not_uids: kernel.exclude_uids.clone(),
    }
}

/// The process ids, where all servers are given so; else none.
fn named_pids(wanted: &[String]) -> Vec<u32> {
    let pids: Option<Vec<u32>> = wanted.iter().map(|name| name.parse().ok()).collect();
    pids.unwrap_or_default()
}

/// A server's binary, held open, and what is known of it.
fn opened(server: Server) -> Result<(Held, Resolved), WatchError> {
    let exe = server.exe.display().to_string();
    let held = Held::open(server).map_err(|source| WatchError::Open {
        exe: exe.clone(),
        source,
    })?;
    let image = Image::open(&held.server.attach_path).map_err(|source| WatchError::Image {
        exe: exe.clone(),
        source,
    })?;
    let resolved = resolve(&image).map_err(|source| WatchError::Resolve { exe, source })?;
    Ok((held, resolved))
}
