//! Where the kernel half outlives the recorder: names in the BPF file system.
//!
//! Takes a folder there, gives the paths of maps and links, and a few facts about them. What is named
//! here goes on recording when the recorder dies, and ends with the boot at the latest. It never
//! removes what another recorder holds.
//!
//! ```text
//! <folder>/                 locked by the recorder that uses it
//!   <layout>/               version of the records' layout: [`capture_common::LAYOUT_VERSION`]
//!     ring, object, trail, key    facts, as symbolic links: the file system has no other files
//!     maps/RING ...
//!     links/<target>-<program>    the probes of each server binary
//!     links/thread_exit
//!     whole/<target>              says that every probe of the server binary is there
//! ```
//!
//! Facts are made before any map and go before any: where one of them is missing, the rest is refuse.

use std::{
    fs::{self, DirBuilder, File, TryLockError},
    io,
    os::unix::fs::{DirBuilderExt as _, symlink},
    path::{Path, PathBuf},
};

use aya::{maps::MapInfo, programs::links::PinnedLink};
use capture_common::LAYOUT_VERSION;
use rustix::{
    fs::statfs,
    mount::{MountFlags, mount},
};

use crate::crash;

/// Where pins are by default.
pub const FOLDER_DEFAULT: &str = "/sys/fs/bpf/sqltrail";

/// Where the BPF file system belongs.
const BPFFS: &str = "/sys/fs/bpf";

/// `BPF_FS_MAGIC` (linux/magic.h).
const BPFFS_MAGIC: u64 = 0xcafe_4a11;

/// Folders of a layout, in the order in which they are emptied.
const PARTS: [&str; 3] = ["whole", "links", "maps"];

/// Nobody but the owner may open what records statements.
const FOLDER_MODE: u32 = 0o700;

/// Link of the probe that notices the end of threads.
pub(crate) const THREAD_EXIT: &str = "thread_exit";

/// What is known about the pinned kernel half.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fact {
    /// Names the ring: a new name for every ring that was ever made.
    Ring,
    /// SHA-256 of the object that the programs are from.
    Object,
    /// Names the trail that its records go to.
    Trail,
    /// What the recorder's notes about unfinished statements are encrypted with.
    Key,
}

impl Fact {
    const ALL: [Self; 4] = [Self::Ring, Self::Object, Self::Trail, Self::Key];

    fn name(self) -> &'static str {
        match self {
            Self::Ring => "ring",
            Self::Object => "object",
            Self::Trail => "trail",
            Self::Key => "key",
        }
    }
}

/// What can go wrong with pins.
#[derive(Debug, thiserror::Error)]
pub enum PinsError {
    /// The BPF file system is not there and cannot be mounted.
    #[error("cannot mount the BPF file system at {BPFFS}")]
    Mount(#[source] io::Error),
    /// The folder is somewhere else.
    #[error("{} is not in a BPF file system", path.display())]
    NotBpffs {
        /// The folder.
        path: PathBuf,
    },
    /// Another recorder uses the folder.
    #[error("the probes at {} are held by another recorder", path.display())]
    InUse {
        /// The folder.
        path: PathBuf,
    },
    /// Something there cannot be made, read or removed.
    #[error("cannot {doing} {}", path.display())]
    System {
        /// What.
        doing: &'static str,
        /// Of what.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

impl PinsError {
    /// What the user can do about it.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Mount(_) => Some("mount -t bpf bpf /sys/fs/bpf"),
            Self::NotBpffs { .. } => Some("--pin-path names a folder below /sys/fs/bpf"),
            Self::InUse { .. } => {
                Some("a second recorder needs another --dir and another --pin-path")
            }
            Self::System { .. } => None,
        }
    }
}

/// The pins of one recorder, for as long as it holds them.
#[derive(Debug)]
pub struct Pins {
    folder: PathBuf,
    /// The system's lock lives as long as this is open.
    _lock: File,
}

/// What a layout of another version has left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Foreign {
    /// Its version, as its folder is named.
    pub layout: String,
    folder: PathBuf,
}

impl Pins {
    /// Takes the folder, which is made where it is missing; so is the mount at its usual place.
    ///
    /// # Errors
    ///
    /// [`PinsError::InUse`] when another recorder has it; what the system says otherwise.
    pub fn open(folder: &Path) -> Result<Self, PinsError> {
        if folder.starts_with(BPFFS) && !is_bpffs(Path::new(BPFFS)) {
            mount("bpf", BPFFS, "bpf", MountFlags::empty(), None)
                .map_err(|error| PinsError::Mount(error.into()))?;
        }
        if !folder
            .ancestors()
            .find(|path| path.exists())
            .is_some_and(is_bpffs)
        {
            return Err(PinsError::NotBpffs {
                path: folder.to_owned(),
            });
        }
        make_folder(folder)?;
        let lock = File::open(folder).map_err(failed("open", folder))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(PinsError::InUse {
                    path: folder.to_owned(),
                });
            }
            Err(TryLockError::Error(source)) => return Err(failed("lock", folder)(source)),
        }
        Ok(Self {
            folder: folder.to_owned(),
            _lock: lock,
        })
    }

    /// The folder, for messages.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// A fact; none where there is no kernel half of this layout.
    ///
    /// # Errors
    ///
    /// When it is there and cannot be read.
    pub fn fact(&self, fact: Fact) -> Result<Option<String>, PinsError> {
        let path = self.layout().join(fact.name());
        match fs::read_link(&path) {
            Ok(text) => Ok(Some(text.to_string_lossy().into_owned())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(failed("read", &path)(source)),
        }
    }

    /// Makes the folders, and states every fact; of a kernel half that is yet to be loaded.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn begin(&self, facts: &[(Fact, &str)]) -> Result<(), PinsError> {
        self.remove()?;
        for part in PARTS {
            make_folder(&self.layout().join(part))?;
        }
        for (fact, text) in facts {
            let path = self.layout().join(fact.name());
            symlink(text, &path).map_err(failed("make", &path))?;
            crash::point("fact-pinned");
        }
        Ok(())
    }

    /// Takes the probes of this layout off, as far as no process holds them; its ring stays.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn detach(&self) -> Result<(), PinsError> {
        remove_entries(&self.layout().join("whole"))?;
        remove_entries(&self.layout().join("links"))
    }

    /// Removes what is pinned of this layout: probes that no process holds are detached by it.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn remove(&self) -> Result<(), PinsError> {
        remove_layout(&self.layout())
    }

    /// What other versions have left.
    ///
    /// # Errors
    ///
    /// When the folder cannot be listed.
    pub fn foreign(&self) -> Result<Vec<Foreign>, PinsError> {
        let folders = entries(&self.folder)?;
        Ok(folders
            .into_iter()
            .filter(|folder| *folder != self.layout())
            .filter_map(|folder| {
                let layout = folder.file_name()?.to_string_lossy().into_owned();
                Some(Foreign { layout, folder })
            })
            .collect())
    }

    fn layout(&self) -> PathBuf {
        self.folder.join(LAYOUT_VERSION.to_string())
    }

    pub(crate) fn map(&self, name: &str) -> PathBuf {
        self.layout().join("maps").join(name)
    }

    pub(crate) fn link(&self, target: u32, program: &str) -> PathBuf {
        self.layout()
            .join("links")
            .join(format!("{target}-{program}"))
    }

    fn whole(&self, target: u32) -> PathBuf {
        self.layout().join("whole").join(target.to_string())
    }

    /// Notes that every probe of a server binary is pinned.
    pub(crate) fn complete(&self, target: u32) -> Result<(), PinsError> {
        let path = self.whole(target);
        symlink("whole", &path).map_err(failed("make", &path))
    }

    /// Notes that not every probe of a server binary is pinned any more.
    pub(crate) fn break_up(&self, target: u32) -> Result<(), PinsError> {
        let path = self.whole(target);
        match fs::remove_file(&path) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                Err(failed("remove", &path)(source))
            }
            _ => Ok(()),
        }
    }

    /// Whether every probe of a server binary is pinned.
    pub(crate) fn is_complete(&self, target: u32) -> bool {
        self.whole(target).is_symlink()
    }

    pub(crate) fn thread_exit(&self) -> PathBuf {
        self.layout().join("links").join(THREAD_EXIT)
    }

    /// The probes that are pinned, with the index of the server binary that each is of.
    pub(crate) fn links(&self) -> Result<Vec<(u32, String, PathBuf)>, PinsError> {
        let links = entries(&self.layout().join("links"))?;
        Ok(links
            .into_iter()
            .filter_map(|path| {
                let name = path.file_name()?.to_str()?;
                let (target, program) = name.split_once('-')?;
                Some((target.parse().ok()?, program.to_owned(), path.clone()))
            })
            .collect())
    }
}

impl Foreign {
    /// Path of a map of that layout.
    pub(crate) fn map(&self, name: &str) -> PathBuf {
        self.folder.join("maps").join(name)
    }

    /// Name of its ring.
    #[must_use]
    pub fn ring_id(&self) -> Option<String> {
        let ring = fs::read_link(self.folder.join(Fact::Ring.name())).ok()?;
        Some(ring.to_string_lossy().into_owned())
    }

    /// Takes its probes off; its ring stays.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn detach(&self) -> Result<(), PinsError> {
        remove_entries(&self.folder.join("links"))
    }

    /// Removes all of it.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn remove(&self) -> Result<(), PinsError> {
        remove_layout(&self.folder)
    }
}

/// The size of the ring that is pinned at `path`, bytes.
pub(crate) fn ring_bytes(path: &Path) -> Option<u32> {
    MapInfo::from_pin(path).ok().map(|info| info.max_entries())
}

/// Takes a probe off. The kernel frees a name some time after it is gone, so this process must hold the
/// link itself to be the one that lets go last.
pub(crate) fn unpin(link: PinnedLink) -> io::Result<()> {
    link.unpin().map(drop)
}

fn is_bpffs(path: &Path) -> bool {
    statfs(path).is_ok_and(|found| u64::try_from(found.f_type) == Ok(BPFFS_MAGIC))
}

fn make_folder(folder: &Path) -> Result<(), PinsError> {
    DirBuilder::new()
        .recursive(true)
        .mode(FOLDER_MODE)
        .create(folder)
        .map_err(failed("make", folder))
}

/// What is in a folder; nothing where there is none.
fn entries(folder: &Path) -> Result<Vec<PathBuf>, PinsError> {
    let listed = match fs::read_dir(folder) {
        Ok(listed) => listed,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(source) => return Err(failed("list", folder)(source)),
    };
    let mut found = listed
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<io::Result<Vec<PathBuf>>>()
        .map_err(failed("list", folder))?;
    found.sort_unstable();
    Ok(found)
}

fn remove_layout(folder: &Path) -> Result<(), PinsError> {
    for fact in Fact::ALL {
        let path = folder.join(fact.name());
        match fs::remove_file(&path) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                return Err(failed("remove", &path)(source));
            }
            _ => crash::point("fact-removed"),
        }
    }
    for part in PARTS {
        remove_entries(&folder.join(part))?;
        remove_folder(&folder.join(part))?;
    }
    remove_folder(folder)
}

fn remove_entries(folder: &Path) -> Result<(), PinsError> {
    for path in entries(folder)? {
        fs::remove_file(&path).map_err(failed("remove", &path))?;
    }
    Ok(())
}

fn remove_folder(folder: &Path) -> Result<(), PinsError> {
    match fs::remove_dir(folder) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => {
            Err(failed("remove", folder)(source))
        }
        _ => Ok(()),
    }
}

/// Names the deed and its object; for `map_err`.
fn failed(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> PinsError {
    let path = path.to_owned();
    move |source| PinsError::System {
        doing,
        path,
        source,
    }
}
