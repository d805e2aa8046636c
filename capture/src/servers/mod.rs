//! Finds the running database servers.
//!
//! Takes the root of a proc file system, gives one [`Server`] for each binary that serves, with the
//! processes that run it. A process that cannot be read is reported and never ends the scan.
//! It must never open a binary by the path that a link shows: that path may lie in another root, or
//! name a file that was replaced; `/proc/PID/exe` is the file that runs.

mod process;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use process::Proc;

use crate::elf::{ElfError, Image};
use crate::resolve::{Engine, engine_of, version_of};

/// Names of the executables that may be servers.
const NAMES: [&str; 4] = ["postgres", "postmaster", "mysqld", "mariadbd"];
/// What the kernel appends to the path of a file that was removed.
const DELETED: &str = " (deleted)";

/// A server binary that runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// What kind of server it is.
    pub engine: Engine,
    /// Its version as its vendor writes it.
    pub version: Option<String>,
    /// Path of the binary as its process sees it, for people to read.
    pub exe: PathBuf,
    /// Whether the binary was removed or replaced while it runs.
    pub deleted: bool,
    /// The path by which to open the binary and attach to it.
    pub attach_path: PathBuf,
    /// Device of the binary.
    pub device: u64,
    /// Inode of the binary.
    pub inode: u64,
    /// Size of the binary in bytes.
    pub bytes: u64,
    /// When its contents were last changed: seconds and nanoseconds since the Unix epoch.
    pub written: (i64, i64),
    /// When its inode was last changed, in the same way.
    pub changed: (i64, i64),
    /// Whether it was found through an overlay file system, whose devices are none of a disk.
    pub overlay: bool,
    /// The linker's build id.
    pub build_id: Option<String>,
    /// Its main processes (for PostgreSQL the postmasters), in ascending order.
    pub pids: Vec<i32>,
    /// Where the main processes listen, as far as it can be read: `127.0.0.1:5432`, socket paths.
    pub listening: Vec<String>,
    /// The container of each main process that runs in one, as its control group names it.
    pub containers: BTreeMap<i32, String>,
}

impl Server {
    /// Whether both are one file: a probe on either fires for all processes of both.
    ///
    /// An overlay shows a file of a lower layer with that file's inode, times and size, but with a device
    /// of its own. A copy in the upper layer keeps the inode's number; the time of its change tells.
    #[must_use]
    pub fn is_same_file(&self, other: &Self) -> bool {
        let inode = |server: &Self| (server.inode, server.bytes, server.written);
        inode(self) == inode(other)
            && (self.device == other.device
                || (self.overlay || other.overlay)
                    && (self.changed, &self.build_id) == (other.changed, &other.build_id))
    }

    /// Whether the file with these properties is this binary, as it was when it was found.
    #[must_use]
    pub fn is_unchanged(&self, file: &Metadata) -> bool {
        let key = FileKey::of(file);
        (key.device, key.inode, key.bytes, key.written)
            == (self.device, self.inode, self.bytes, self.written)
    }
}

/// A process that looks like a server but cannot be recorded.
#[derive(Debug)]
pub struct Skipped {
    /// The process.
    pub pid: i32,
    /// Why.
    pub why: ServerError,
}

/// Why a process, or all of them, could not be looked at.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// A file of the proc file system could not be read.
    #[error("cannot read {}", path.display())]
    Proc {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The executable is not readable as a binary.
    #[error("cannot read the executable {}", exe.display())]
    Executable {
        /// Its path as the process sees it.
        exe: PathBuf,
        /// What is wrong with it.
        source: ElfError,
    },
    /// The executable is none of the known servers, or does not export their symbols.
    #[error("{} is not a server that exports its symbols", exe.display())]
    NotAServer {
        /// Its path as the process sees it.
        exe: PathBuf,
    },
}

/// What a scan found.
#[derive(Debug, Default)]
pub struct Scan {
    /// The servers, in the order of their lowest process id.
    pub servers: Vec<Server>,
    /// What looked like a server and is none that can be recorded.
    pub skipped: Vec<Skipped>,
}

/// Scans once; see [`Scanner::scan`].
///
/// # Errors
/// When the list of processes cannot be read.
pub fn scan(proc_root: &Path) -> Result<Scan, ServerError> {
    Scanner::new(proc_root).scan()
}

/// Scans again and again, and opens each binary once.
#[derive(Debug)]
pub struct Scanner {
    proc: Proc,
    known: HashMap<FileKey, Option<Identity>>,
}

/// One state of one file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct FileKey {
    device: u64,
    inode: u64,
    bytes: u64,
    written: (i64, i64),
    changed: (i64, i64),
}

impl FileKey {
    fn of(file: &Metadata) -> Self {
        Self {
            device: file.dev(),
            inode: file.ino(),
            bytes: file.size(),
            written: (file.mtime(), file.mtime_nsec()),
            changed: (file.ctime(), file.ctime_nsec()),
        }
    }
}

/// What its symbols say about a binary.
#[derive(Clone, Debug)]
struct Identity {
    engine: Engine,
    version: Option<String>,
    build_id: Option<String>,
}

/// A process that runs a file with a server's name.
#[derive(Debug)]
struct Candidate {
    pid: i32,
    parent: Option<i32>,
    exe: PathBuf,
    deleted: bool,
}

impl Scanner {
    /// A scanner for the proc file system at `proc_root`, usually `/proc`.
    #[must_use]
    pub fn new(proc_root: &Path) -> Self {
        Self {
            proc: Proc::new(proc_root),
            known: HashMap::new(),
        }
    }

    /// Finds the servers that run now.
    ///
    /// # Errors
    /// When the list of processes cannot be read.
    pub fn scan(&mut self) -> Result<Scan, ServerError> {
        let mut scan = Scan::default();
        let mut files: BTreeMap<FileKey, Vec<Candidate>> = BTreeMap::new();
        for pid in self.pids()? {
            match self.candidate(pid) {
                Ok(Some((key, candidate))) => files.entry(key).or_default().push(candidate),
                Ok(None) => {}
                Err(why) => scan.skipped.push(Skipped { pid, why }),
            }
        }
        self.known.retain(|key, _| files.contains_key(key));
        for (key, candidates) in files {
            match self.server(key, &candidates) {
                Ok(Some(server)) => scan.servers.push(server),
                Ok(None) => {}
                Err((pid, why)) => scan.skipped.push(Skipped { pid, why }),
            }
        }
        scan.servers.sort_by(|a, b| a.pids.cmp(&b.pids));
        scan.servers = united(scan.servers);
        Ok(scan)
    }

    fn pids(&self) -> Result<Vec<i32>, ServerError> {
        let fail = |source| ServerError::Proc {
            path: self.proc.root().to_owned(),
            source,
        };
        let mut pids = Vec::new();
        for entry in fs::read_dir(self.proc.root()).map_err(fail)? {
            let name = entry.map_err(fail)?.file_name();
            pids.extend(name.to_str().and_then(|name| name.parse::<i32>().ok()));
        }
        pids.sort_unstable();
        Ok(pids)
    }

    /// The process, if its executable has a server's name.
    fn candidate(&self, pid: i32) -> Result<Option<(FileKey, Candidate)>, ServerError> {
        let path = self.proc.exe(pid);
        let exe = match fs::read_link(&path) {
            Ok(exe) => exe,
            // Only its short name can tell whether a process of another user is a server.
            Err(source) if source.kind() == io::ErrorKind::PermissionDenied => {
                let named = self
                    .proc
                    .stat(pid)
                    .is_some_and(|stat| NAMES.contains(&&*stat.comm));
                return if named {
                    Err(ServerError::Proc { path, source })
                } else {
                    Ok(None)
                };
            }
            // It ended, or it is a kernel thread.
            Err(_) => return Ok(None),
        };
        let (exe, deleted) = shown(&exe);
        if !exe
            .file_name()
            .is_some_and(|name| NAMES.iter().any(|known| name == *known))
        {
            return Ok(None);
        }
        let file = match fs::metadata(&path) {
            Ok(file) => file,
            Err(source) if source.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(ServerError::Proc { path, source }),
        };
        let key = FileKey::of(&file);
        let parent = self.proc.stat(pid).map(|stat| stat.ppid);
        Ok(Some((
            key,
            Candidate {
                pid,
                parent,
                exe,
                deleted,
            },
        )))
    }

    /// The server that a file is. `None` when all its processes have ended meanwhile.
    fn server(
        &mut self,
        key: FileKey,
        candidates: &[Candidate],
    ) -> Result<Option<Server>, (i32, ServerError)> {
        let all: HashSet<i32> = candidates.iter().map(|candidate| candidate.pid).collect();
        let mains: Vec<&Candidate> = candidates
            .iter()
            .filter(|candidate| !candidate.parent.is_some_and(|parent| all.contains(&parent)))
            .collect();
        let Some(main) = mains.first() else {
            return Ok(None);
        };
        let attach_path = self.proc.exe(main.pid);
        let identity = match self.known.get(&key) {
            Some(identity) => identity.clone(),
            None => match identify(&attach_path) {
                Ok(identity) => {
                    self.known.insert(key, identity.clone());
                    identity
                }
                Err(_) if !attach_path.exists() => return Ok(None),
                Err(source) => {
                    let exe = main.exe.clone();
                    return Err((main.pid, ServerError::Executable { exe, source }));
                }
            },
        };
        let Some(Identity {
            engine,
            version,
            build_id,
        }) = identity
        else {
            return Err((
                main.pid,
                ServerError::NotAServer {
                    exe: main.exe.clone(),
                },
            ));
        };
        let pids: Vec<i32> = mains.iter().map(|main| main.pid).collect();
        Ok(Some(Server {
            engine,
            version,
            exe: main.exe.clone(),
            deleted: main.deleted,
            attach_path,
            device: key.device,
            inode: key.inode,
            bytes: key.bytes,
            written: key.written,
            changed: key.changed,
            overlay: self.proc.is_overlay(main.pid),
            build_id,
            listening: pids
                .iter()
                .flat_map(|pid| self.proc.listening(*pid))
                .collect(),
            containers: pids
                .iter()
                .filter_map(|pid| Some((*pid, self.proc.container(*pid)?)))
                .collect(),
            pids,
        }))
    }
}

/// Unites servers that are one file seen through several mounts.
fn united(servers: Vec<Server>) -> Vec<Server> {
    let mut united: Vec<Server> = Vec::with_capacity(servers.len());
    for server in servers {
        match united.iter_mut().find(|known| known.is_same_file(&server)) {
            Some(known) => {
                known.pids.extend(server.pids);
                known.pids.sort_unstable();
                known.listening.extend(server.listening);
                known.containers.extend(server.containers);
            }
            None => united.push(server),
        }
    }
    united
}

/// The path without what the kernel appends to it, and whether it did.
fn shown(link: &Path) -> (PathBuf, bool) {
    match link.to_str().and_then(|text| text.strip_suffix(DELETED)) {
        Some(path) => (PathBuf::from(path), true),
        None => (link.to_owned(), false),
    }
}

fn identify(path: &Path) -> Result<Option<Identity>, ElfError> {
    let image = Image::open(path)?;
    Ok(engine_of(&image).map(|engine| Identity {
        engine,
        version: version_of(&image, engine),
        build_id: image.build_id().map(ToOwned::to_owned),
    }))
}
