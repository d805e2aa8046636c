//! A server binary that is held open: what the probes are attached to, and nothing else.

use std::{
    fs::File,
    io::{self, Error},
    os::{fd::AsRawFd as _, unix::fs::MetadataExt as _},
    path::PathBuf,
};

use capture::servers::Server;

/// A server and its open binary.
#[derive(Debug)]
pub(super) struct Held {
    /// What was found; `attach_path` leads to the open file, also when every process of it has ended.
    pub(super) server: Server,
    file: File,
}

/// What became of a binary since it was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// It is as it was.
    Whole,
    /// It has no name any more: what starts from now on runs another.
    Removed,
    /// Its contents are others, so that functions are no longer where they were found.
    Rewritten,
}

impl Held {
    /// Opens the binary of a server that was found.
    ///
    /// # Errors
    ///
    /// When it cannot be opened, or the process that ran it has ended and its id is another's.
    pub(super) fn open(mut server: Server) -> io::Result<Self> {
        let file = File::open(&server.attach_path)?;
        if !server.is_unchanged(&file.metadata()?) {
            return Err(Error::new(
                io::ErrorKind::NotFound,
                "the process that ran it has ended",
            ));
        }
        server.attach_path = PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()));
        Ok(Self { server, file })
    }

    pub(super) fn state(&self) -> io::Result<State> {
        let now = self.file.metadata()?;
        Ok(if !self.server.is_unchanged(&now) {
            State::Rewritten
        } else if now.nlink() == 0 {
            State::Removed
        } else {
            State::Whole
        })
    }

    /// Takes over where and for whom the server runs now; gives the main processes that are new, and
    /// those that are gone.
    pub(super) fn update(&mut self, found: &Server) -> (Vec<i32>, Vec<i32>) {
        let missing = |from: &[i32], of: &[i32]| -> Vec<i32> {
            let new = of.iter().filter(|pid| !from.contains(pid));
            new.copied().collect()
        };
        let new = missing(&self.server.pids, &found.pids);
        let gone = missing(&found.pids, &self.server.pids);
        self.server.pids.clone_from(&found.pids);
        self.server.listening.clone_from(&found.listening);
        self.server.exe.clone_from(&found.exe);
        self.server.deleted = found.deleted;
        (new, gone)
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, fs, path::Path};

    use capture::resolve::Engine;

    use super::*;

    fn server(path: &Path) -> Server {
        let file = fs::metadata(path).unwrap();
        Server {
            engine: Engine::Postgres,
            version: None,
            exe: path.to_owned(),
            deleted: false,
            attach_path: path.to_owned(),
            device: file.dev(),
            inode: file.ino(),
            bytes: file.size(),
            written: (file.mtime(), file.mtime_nsec()),
            changed: (file.ctime(), file.ctime_nsec()),
            overlay: false,
            build_id: None,
            pids: vec![1, 2],
            listening: Vec::new(),
            containers: BTreeMap::new(),
        }
    }

    #[test]
    fn what_becomes_of_a_binary() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("postgres");
        fs::write(&path, "one").unwrap();
        let found = server(&path);
        let held = Held::open(found.clone()).unwrap();
        assert_eq!(held.state().unwrap(), State::Whole);
        assert_eq!(fs::read(&held.server.attach_path).unwrap(), b"one");
        // As a package upgrade does.
        let new = folder.path().join("new");
        fs::write(&new, "two").unwrap();
        fs::rename(&new, &path).unwrap();
        assert_eq!(held.state().unwrap(), State::Removed);
        assert_eq!(fs::read(&held.server.attach_path).unwrap(), b"one");
        assert!(Held::open(found).is_err());
        let held = Held::open(server(&path)).unwrap();
        fs::write(&path, "other").unwrap();
        assert_eq!(held.state().unwrap(), State::Rewritten);
    }

    #[test]
    fn processes_come_and_go() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("postgres");
        fs::write(&path, "one").unwrap();
        let mut held = Held::open(server(&path)).unwrap();
        let mut found = server(&path);
        found.pids = vec![2, 3];
        assert_eq!(held.update(&found), (vec![3], vec![1]));
        assert_eq!(held.update(&found), (vec![], vec![]));
    }
}
