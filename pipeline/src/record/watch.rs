//! Which servers are watched: found, resolved, attached.

use std::{
    collections::{HashMap, HashSet},
    path::Path,
    sync::mpsc::Sender,
};

use capture::{
    attach::{Capture, CaptureError, Processes},
    elf::{ElfError, Image},
    pins::Pins,
    resolve::{ResolveError, Resolved, resolve},
    servers::{Scan, Scanner, Server, ServerError},
};

use super::{Notice, resume::known, supervise::RecordError};
use crate::{
    assemble::Target,
    config::Config,
    health,
    store::{
        error::StoreError,
        standing::{KnownTarget, Targets},
    },
};

/// Why a server is not watched.
#[derive(Debug, thiserror::Error)]
pub enum WatchError {
    /// Running processes cannot be looked through.
    #[error("cannot look for servers")]
    Scan(#[source] ServerError),
    /// A server that was asked for does not run.
    #[error("no server matches {0}")]
    NoServer(String),
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

/// Identity of a server binary.
type Key = (u64, u64);

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

/// Watches servers and tells the ingest thread of each.
pub(super) struct Watch {
    scanner: Scanner,
    capture: Capture,
    targets: Targets,
    wanted: Vec<String>,
    notices: Sender<Notice>,
    attached: HashMap<Key, (u32, Server)>,
    /// What a former recorder has left attached, until it is known which of it is wanted.
    adopted: HashMap<Key, u32>,
    refused: HashSet<Key>,
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
            attached: HashMap::new(),
            adopted: HashMap::new(),
            refused: HashSet::new(),
        }
    }

    /// How many server binaries are attached.
    pub(super) fn len(&self) -> usize {
        self.attached.len()
    }

    /// Which server binaries are attached.
    pub(super) fn servers(&self) -> Vec<health::Server> {
        let mut servers: Vec<_> = self
            .attached
            .values()
            .map(|(_, server)| health::Server {
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
        for (index, key, target) in known(&self.targets)? {
            let engine = target.system_name();
            self.capture.reserve(index);
            self.tell(Notice::Target(index, target));
            if whole.contains(&index) {
                self.adopted.insert(key, index);
                let detail = format!("{engine}, inode {}", key.1);
                tracing::info!(detail, "adopted");
                self.tell(Notice::Lifecycle("adopt", detail));
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
        for server in self.meant(scan) {
            match self.adopted.remove(&(server.device, server.inode)) {
                Some(index) => self.renew(index, server)?,
                None => self.attach(&server)?,
            }
        }
        for (_, index) in self.adopted.drain() {
            self.capture.detach(index);
        }
        Ok(())
    }

    /// Attaches to servers that have started since; one that cannot be attached is put on record once.
    pub(super) fn follow(&mut self) -> Result<(), WatchError> {
        let scan = self.find()?;
        for server in self.meant(scan) {
            let key = (server.device, server.inode);
            if self.attached.contains_key(&key) || self.refused.contains(&key) {
                continue;
            }
            if let Err(error) = self.attach(&server) {
                let error = anyhow::Error::new(error);
                tracing::error!(exe = %server.exe.display(), error = format!("{error:#}"), "cannot record a server");
                self.tell(Notice::Lifecycle("attach_failed", format!("{error:#}")));
                self.refused.insert(key);
            }
        }
        Ok(())
    }

    /// Records by other settings from now on.
    pub(super) fn reconfigure(&mut self, config: &Config) -> Result<(), WatchError> {
        self.wanted = config.servers().to_vec();
        let servers = self.attached.values();
        self.capture.reconfigure(
            config.capture(),
            &processes(config),
            servers.map(|(index, server)| (*index, server)),
        )?;
        Ok(())
    }

    /// Detaches from every server.
    pub(super) fn stop(&mut self) {
        self.capture.detach_all();
        self.attached.clear();
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

    fn meant(&self, scan: Scan) -> Vec<Server> {
        scan.servers
            .into_iter()
            .filter(|server| self.means(server))
            .collect()
    }

    fn means(&self, server: &Server) -> bool {
        self.wanted.is_empty() || self.wanted.iter().any(|wanted| is_meant(server, wanted))
    }

    /// Lets the probes of a former recorder record what is wanted now.
    fn renew(&mut self, index: u32, server: Server) -> Result<(), WatchError> {
        let resolved = resolved(&server)?;
        self.capture.renew(index, &server, &resolved)?;
        let key = (server.device, server.inode);
        self.attached.insert(key, (index, server));
        Ok(())
    }

    fn attach(&mut self, server: &Server) -> Result<(), WatchError> {
        let exe = server.exe.display().to_string();
        let resolved = resolved(server)?;
        let index = self.capture.prepare(&resolved)?;
        let target = Target {
            engine: resolved.engine.id(),
            version: resolved.version.clone(),
            tags: resolved.tags.clone(),
        };
        // So must whoever reads the ring when this process is gone.
        let noted = KnownTarget {
            index,
            key: (server.device, server.inode),
            facts: serde_json::to_string(&target).unwrap_or_default(),
        };
        if let Err(source) = self.targets.put(&noted) {
            self.capture.detach(index);
            return Err(WatchError::Note {
                exe,
                source: Box::new(source),
            });
        }
        // The ingest thread must know the target before the first of its records is in the ring.
        self.tell(Notice::Target(index, target));
        self.capture.attach(index, server)?;
        let key = (server.device, server.inode);
        self.attached.insert(key, (index, server.clone()));
        let detail = description(server, &resolved);
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
    let named: Option<Vec<u32>> = config
        .servers()
        .iter()
        .map(|name| name.parse().ok())
        .collect();
    let mut pids = kernel.pids.clone();
    pids.extend(named.unwrap_or_default());
    Processes {
        pids,
        not_pids: kernel.exclude_pids.clone(),
        uids: kernel.uids.clone(),
        not_uids: kernel.exclude_uids.clone(),
    }
}

/// What is known of a server's binary.
fn resolved(server: &Server) -> Result<Resolved, WatchError> {
    let exe = server.exe.display().to_string();
    let image = Image::open(&server.attach_path).map_err(|source| WatchError::Image {
        exe: exe.clone(),
        source,
    })?;
    resolve(&image).map_err(|source| WatchError::Resolve { exe, source })
}

/// A line about a server: what, where, and what its binary does not give.
fn description(server: &Server, resolved: &Resolved) -> String {
    let version = resolved.version.as_deref().unwrap_or("of unknown version");
    let pids: Vec<String> = server.pids.iter().map(ToString::to_string).collect();
    let missing = resolved.missing();
    let mut line = format!(
        "{} {version}, {}, pid {}",
        server.engine.name(),
        server.exe.display(),
        pids.join(" ")
    );
    if !missing.is_empty() {
        line.push_str("; not available: ");
        line.push_str(&missing.join(", "));
    }
    line
}
