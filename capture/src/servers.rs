//! Finds the running database servers.
//!
//! Takes the root of a proc file system, gives one [`Server`] for each binary that serves, with the
//! processes that run it. A process that cannot be read is reported and never ends the scan.
//! It must never open a binary by the path that a link shows: that path may lie in another root, or
//! name a file that was replaced; `/proc/PID/exe` is the file that runs.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use procfs::net::{TcpState, UnixState};
use procfs::process::{FDTarget, Process};

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
    /// The linker's build id.
    pub build_id: Option<String>,
    /// Its main processes (for PostgreSQL the postmasters), in ascending order.
    pub pids: Vec<i32>,
    /// Where the main processes listen, as far as it can be read: `127.0.0.1:5432`, socket paths.
    pub listening: Vec<String>,
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
    root: PathBuf,
    known: HashMap<FileKey, Option<Identity>>,
}

/// One state of one file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct FileKey {
    device: u64,
    inode: u64,
    bytes: u64,
    changed: (i64, i64),
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
            root: proc_root.to_owned(),
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
        scan.servers = self.without_layers(scan.servers);
        Ok(scan)
    }

    fn pids(&self) -> Result<Vec<i32>, ServerError> {
        let fail = |source| ServerError::Proc {
            path: self.root.clone(),
            source,
        };
        let mut pids = Vec::new();
        for entry in fs::read_dir(&self.root).map_err(fail)? {
            let name = entry.map_err(fail)?.file_name();
            pids.extend(name.to_str().and_then(|name| name.parse::<i32>().ok()));
        }
        pids.sort_unstable();
        Ok(pids)
    }

    fn exe(&self, pid: i32) -> PathBuf {
        self.root.join(pid.to_string()).join("exe")
    }

    /// The process, if its executable has a server's name.
    fn candidate(&self, pid: i32) -> Result<Option<(FileKey, Candidate)>, ServerError> {
        let path = self.exe(pid);
        let exe = match fs::read_link(&path) {
            Ok(exe) => exe,
            // Only its short name can tell whether a process of another user is a server.
            Err(source) if source.kind() == io::ErrorKind::PermissionDenied => {
                let named = self
                    .process(pid)
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
        let key = FileKey {
            device: file.dev(),
            inode: file.ino(),
            bytes: file.size(),
            changed: (file.mtime(), file.mtime_nsec()),
        };
        let parent = self.process(pid).map(|stat| stat.ppid);
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

    fn process(&self, pid: i32) -> Option<procfs::process::Stat> {
        Process::new_with_root(self.root.join(pid.to_string()))
            .ok()?
            .stat()
            .ok()
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
        let attach_path = self.exe(main.pid);
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
            build_id,
            listening: pids.iter().flat_map(|pid| self.listening(*pid)).collect(),
            pids,
        }))
    }

    /// Unites servers that are one file seen through several overlay mounts: a probe on one of them
    /// fires for all.
    fn without_layers(&self, servers: Vec<Server>) -> Vec<Server> {
        let mut united: Vec<Server> = Vec::with_capacity(servers.len());
        for server in servers {
            let same = united.iter_mut().find(|known| {
                (known.inode, known.bytes, &known.build_id)
                    == (server.inode, server.bytes, &server.build_id)
                    && (self.is_overlay(known) || self.is_overlay(&server))
            });
            match same {
                Some(known) => {
                    known.pids.extend(server.pids);
                    known.pids.sort_unstable();
                    known.listening.extend(server.listening);
                }
                None => united.push(server),
            }
        }
        united
    }

    fn is_overlay(&self, server: &Server) -> bool {
        let device = format!(
            "{}:{}",
            libc::major(server.device),
            libc::minor(server.device)
        );
        let mounts = server.pids.first().and_then(|pid| {
            Process::new_with_root(self.root.join(pid.to_string()))
                .ok()?
                .mountinfo()
                .ok()
        });
        mounts.is_some_and(|mounts| {
            mounts
                .iter()
                .any(|mount| mount.majmin == device && mount.fs_type == "overlay")
        })
    }

    fn listening(&self, pid: i32) -> Vec<String> {
        let Ok(process) = Process::new_with_root(self.root.join(pid.to_string())) else {
            return Vec::new();
        };
        let sockets: HashSet<u64> = process
            .fd()
            .into_iter()
            .flatten()
            .filter_map(|fd| match fd.ok()?.target {
                FDTarget::Socket(inode) => Some(inode),
                _ => None,
            })
            .collect();
        let tcp = process.tcp().into_iter().chain(process.tcp6()).flatten();
        let ports = tcp
            .filter(|entry| entry.state == TcpState::Listen && sockets.contains(&entry.inode))
            .map(|entry| entry.local_address.to_string());
        let paths = process
            .unix()
            .into_iter()
            .flatten()
            .filter(|entry| entry.state == UnixState::UNCONNECTED)
            .filter(|entry| sockets.contains(&entry.inode))
            .filter_map(|entry| Some(entry.path?.display().to_string()));
        ports.chain(paths).collect()
    }
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

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::resolve::sample;

    /// A proc file system with the processes `(pid, parent, executable)`.
    fn proc_with(processes: &[(i32, i32, &Path)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (pid, parent, exe) in processes {
            let dir = root.path().join(pid.to_string());
            fs::create_dir(&dir).unwrap();
            symlink(exe, dir.join("exe")).unwrap();
            let zeros = " 0".repeat(47);
            fs::write(
                dir.join("stat"),
                format!("{pid} (x) y) S {parent}{zeros}\n"),
            )
            .unwrap();
        }
        root
    }

    fn binary(dir: &Path, name: &str, symbols: &[&str]) -> PathBuf {
        let path = dir.join(name);
        let functions: Vec<_> = symbols.iter().map(|name| (*name, &[0xc3][..])).collect();
        fs::write(&path, sample::elf(&functions)).unwrap();
        path
    }

    const POSTGRES: [&str; 2] = ["PortalRun", "MyProcPort"];
    const MARIADB: [&str; 1] = ["_Z16dispatch_command19enum_server_commandP3THDPcjb"];

    #[test]
    fn groups_by_file_and_finds_the_main_processes() {
        let files = tempfile::tempdir().unwrap();
        let postgres = binary(files.path(), "postgres", &POSTGRES);
        let mariadb = binary(files.path(), "mariadbd", &MARIADB);
        let shell = binary(files.path(), "sh", &POSTGRES);
        let proc = proc_with(&[
            (10, 1, &postgres),
            (11, 10, &postgres),
            (12, 10, &postgres),
            (20, 1, &postgres),
            (21, 20, &postgres),
            (30, 5, &mariadb),
            (40, 1, &shell),
        ]);
        fs::create_dir(proc.path().join("self")).unwrap();

        let mut scanner = Scanner::new(proc.path());
        let scan = scanner.scan().unwrap();
        let found: Vec<_> = scan
            .servers
            .iter()
            .map(|server| (server.engine, server.pids.clone()))
            .collect();
        assert_eq!(
            found,
            [
                (Engine::Postgres, vec![10, 20]),
                (Engine::MariaDb, vec![30])
            ]
        );
        assert!(scan.skipped.is_empty(), "{:?}", scan.skipped);
        let first = &scan.servers[0];
        assert_eq!(first.exe, postgres);
        assert_eq!(first.attach_path, proc.path().join("10/exe"));
        assert_eq!(first.inode, fs::metadata(&postgres).unwrap().ino());
        assert!(!first.deleted);

        fs::remove_dir_all(proc.path().join("30")).unwrap();
        assert_eq!(scanner.scan().unwrap().servers.len(), 1);
    }

    #[test]
    fn a_removed_binary_is_found_by_its_name() {
        let files = tempfile::tempdir().unwrap();
        let removed = binary(files.path(), "postgres (deleted)", &POSTGRES);
        let scan = scan(proc_with(&[(7, 1, &removed)]).path()).unwrap();
        assert_eq!(scan.servers[0].exe, files.path().join("postgres"));
        assert!(scan.servers[0].deleted);
    }

    #[test]
    fn what_is_no_server_is_reported_and_does_not_hide_others() {
        let files = tempfile::tempdir().unwrap();
        let other = binary(files.path(), "mysqld", &["main"]);
        let script = files.path().join("postgres");
        fs::write(&script, "#!/bin/sh\n").unwrap();
        let mariadb = binary(files.path(), "mariadbd", &MARIADB);
        let gone = files.path().join("postmaster");
        let proc = proc_with(&[
            (5, 1, &other),
            (6, 1, &script),
            (7, 1, &mariadb),
            (8, 1, &gone),
        ]);
        let mut scan = scan(proc.path()).unwrap();
        assert_eq!(scan.servers.len(), 1);
        scan.skipped.sort_by_key(|skipped| skipped.pid);
        let why: Vec<_> = scan
            .skipped
            .iter()
            .map(|skipped| (skipped.pid, &skipped.why))
            .collect();
        assert!(
            matches!(
                why[..],
                [
                    (5, ServerError::NotAServer { .. }),
                    (6, ServerError::Executable { .. })
                ]
            ),
            "{why:?}"
        );
    }

    #[test]
    fn no_proc_is_an_error() {
        assert!(scan(Path::new("/nonexistent/proc")).is_err());
    }
}
