//! What the proc file system says about one process.
//!
//! Takes a process id; what cannot be read, or is gone meanwhile, is absent.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use procfs::net::{TcpState, UnixState};
use procfs::process::{FDTarget, Process, Stat};

/// Hexadecimal digits of the name that Docker, Podman and Kubernetes give a container.
const CONTAINER_DIGITS: usize = 64;

/// `OVERLAYFS_SUPER_MAGIC` (linux/magic.h).
const OVERLAY: rustix::fs::FsWord = 0x794c_7630;

/// A proc file system.
#[derive(Debug)]
pub(super) struct Proc {
    root: PathBuf,
}

impl Proc {
    pub(super) fn new(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
        }
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    fn process(&self, pid: i32) -> Option<Process> {
        Process::new_with_root(self.root.join(pid.to_string())).ok()
    }

    /// Where to open the file that a process runs.
    pub(super) fn exe(&self, pid: i32) -> PathBuf {
        self.root.join(pid.to_string()).join("exe")
    }

    pub(super) fn stat(&self, pid: i32) -> Option<Stat> {
        self.process(pid)?.stat().ok()
    }

    /// Whether the file that a process runs lies on an overlay file system.
    pub(super) fn is_overlay(&self, pid: i32) -> bool {
        rustix::fs::statfs(self.exe(pid)).is_ok_and(|found| found.f_type == OVERLAY)
    }

    /// The container that a process runs in, as its control group names it.
    pub(super) fn container(&self, pid: i32) -> Option<String> {
        let groups = self.process(pid)?.cgroups().ok()?;
        groups.0.iter().find_map(|group| container(&group.pathname))
    }

    /// Where a process listens: `127.0.0.1:5432`, socket paths.
    pub(super) fn listening(&self, pid: i32) -> Vec<String> {
        let Some(process) = self.process(pid) else {
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

/// The container that a control group's path names: the id of Docker, Podman or Kubernetes, or the name
/// of an LXC or nspawn machine.
fn container(path: &str) -> Option<String> {
    path.rsplit('/').find_map(|part| {
        let is_id = |word: &&str| {
            word.len() == CONTAINER_DIGITS && word.bytes().all(|b| b.is_ascii_hexdigit())
        };
        let id = part.split(|c: char| !c.is_ascii_alphanumeric()).find(is_id);
        let machine = || {
            part.strip_prefix("lxc.payload.").or_else(|| {
                let name = part.strip_prefix("machine-")?;
                name.strip_suffix(".scope")
                    .or(name.strip_suffix(".service"))
            })
        };
        id.or_else(machine).map(str::to_owned)
    })
}

#[cfg(test)]
mod tests {
    use super::container;

    #[test]
    fn containers_by_control_group() {
        let id = "7b1cf3c0e1b5a0fd7b1cf3c0e1b5a0fd7b1cf3c0e1b5a0fd7b1cf3c0e1b5a0fd";
        for path in [
            format!("/docker/{id}"),
            format!("/system.slice/docker-{id}.scope"),
            format!("/machine.slice/libpod-{id}.scope/container"),
            format!("/kubepods.slice/kubepods-pod1_2.slice/cri-containerd-{id}.scope"),
        ] {
            assert_eq!(container(&path).as_deref(), Some(id), "{path}");
        }
        assert_eq!(
            container("/lxc.payload.db1/system.slice").as_deref(),
            Some("db1")
        );
        assert_eq!(
            container("/machine.slice/machine-db2.scope").as_deref(),
            Some("db2")
        );
        for none in [
            "/",
            "/system.slice/postgresql.service",
            &format!("/x/{id}0"),
            "/x/00165f05228766612fbbbf4bc4865767",
        ] {
            assert_eq!(container(none), None, "{none}");
        }
    }
}
