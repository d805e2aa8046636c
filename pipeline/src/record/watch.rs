//! Which servers are watched: found, resolved, attached.

use std::{
    collections::{HashMap, HashSet},
    path::Path,
    sync::mpsc::Sender,
};

use capture::{
    attach::{Capture, CaptureError, Processes},
    elf::{ElfError, Image},
    resolve::{ResolveError, Resolved, resolve},
    servers::{Scan, Scanner, Server, ServerError},
};

use super::Notice;
use crate::{assemble::Target, config::Config};

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
    wanted: Vec<String>,
    notices: Sender<Notice>,
    attached: HashMap<Key, (u32, Server)>,
    refused: HashSet<Key>,
}

impl Watch {
    pub(super) fn new(capture: Capture, wanted: Vec<String>, notices: Sender<Notice>) -> Self {
        Self {
            scanner: Scanner::new(Path::new("/proc")),
            capture,
            wanted,
            notices,
            attached: HashMap::new(),
            refused: HashSet::new(),
        }
    }

    /// How many server binaries are attached.
    pub(super) fn len(&self) -> usize {
        self.attached.len()
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
            self.attach(&server)?;
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
        for _ in self.attached.drain() {}
        self.tell(Notice::Stop);
    }

    fn find(&mut self) -> Result<Scan, WatchError> {
        self.scanner.scan().map_err(WatchError::Scan)
    }

    fn meant(&self, scan: Scan) -> Vec<Server> {
        let meant = |server: &Server| {
            self.wanted.is_empty() || self.wanted.iter().any(|wanted| is_meant(server, wanted))
        };
        scan.servers.into_iter().filter(meant).collect()
    }

    fn attach(&mut self, server: &Server) -> Result<(), WatchError> {
        let exe = server.exe.display().to_string();
        let image = Image::open(&server.attach_path).map_err(|source| WatchError::Image {
            exe: exe.clone(),
            source,
        })?;
        let resolved = resolve(&image).map_err(|source| WatchError::Resolve { exe, source })?;
        let index = self.capture.prepare(&resolved)?;
        let target = Target {
            engine: resolved.engine.id(),
            version: resolved.version.clone(),
            tags: resolved.tags.clone(),
        };
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
