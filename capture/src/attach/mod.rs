//! The kernel half: loaded, told about server binaries, attached and detached.

mod error;
mod link;
mod object;
mod options;
mod source;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    os::fd::AsFd as _,
    path::Path,
};

use aya::{
    Ebpf, EbpfLoader,
    maps::{Array, HashMap, MapData, MapError, RingBuf},
    programs::{
        ProgramError, UProbe,
        links::PinnedLink,
        uprobe::{UProbeAttachLocation, UProbeAttachPoint},
    },
};
use capture_common::{
    ids::{feature, pass},
    target::{TARGETS_MAX, Target},
};

pub use self::{
    error::CaptureError,
    object::object_id,
    options::{
        Options, PARAMETER_MAX_DEFAULT, PARAMETER_MAX_LIMIT, Processes, RING_BYTES_DEFAULT,
        TEXT_MAX_DEFAULT, TEXT_MAX_LIMIT,
    },
    source::{Drops, Source, reopen, unread},
};
use self::{
    error::{map_error, program_error},
    link::{Link, attach_one, exit_link, open_link, release, unpin},
    object::{OBJECT, PROGRAMS, command_mask, link_name, map_names, needed},
    source::map_ring,
};
use crate::{
    crash,
    pins::{self, Pins},
    resolve::{Hook, Resolved},
    servers::Server,
};

/// The loaded kernel half.
pub struct Capture {
    ebpf: Ebpf,
    pins: Pins,
    targets: Array<MapData, TargetValue>,
    options: Options,
    pids: HashMap<MapData, u32, u32>,
    uids: HashMap<MapData, u32, u32>,
    /// Bits of [`feature`] that say whether processes are chosen.
    processes: u32,
    attached: BTreeMap<u32, Attached>,
    /// Indexes that records in the ring may carry: not used again while there are others.
    used: u32,
    /// The probe that notices the end of threads.
    exit: Option<PinnedLink>,
}

/// A server binary whose probes are on, or about to be.
#[derive(Debug, Default)]
struct Attached {
    /// What is known of the binary; nothing while it is only known that a former recorder was attached.
    resolved: Option<Resolved>,
    links: Vec<Link>,
}

impl fmt::Debug for Capture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Capture")
            .field("attached", &self.attached.keys())
            .finish_non_exhaustive()
    }
}

/// [`Target`] as a map value.
#[derive(Debug, Clone, Copy)]
#[repr(transparent)]
struct TargetValue(Target);

// SAFETY: `Target` is `repr(C)`, holds integers only and has no padding (its size is asserted).
unsafe impl aya::Pod for TargetValue {}

impl Capture {
    /// Loads programs and maps; nothing is attached to a server yet. Maps that are pinned are taken as
    /// they are, with what they hold, and so are probes: [`Capture::adopted`] says which.
    ///
    /// # Errors
    ///
    /// When the kernel or the caller's privileges do not suffice.
    pub fn load(options: Options, pins: Pins) -> Result<(Self, Source), CaptureError> {
        let ring_bytes = pins::ring_bytes(&pins.map("RING")).unwrap_or(options.ring_bytes);
        if ring_bytes != options.ring_bytes {
            tracing::warn!(
                bytes = ring_bytes,
                "the ring is the former recorder's, and has its size"
            );
        }
        let names = map_names()?;
        let mut loader = EbpfLoader::new();
        let wake_bytes = u64::from(ring_bytes / 4);
        loader
            .map_max_entries("RING", ring_bytes)
            .override_global("WAKE_BYTES", &wake_bytes, true);
        for name in &names {
            loader.map_pin_path(name, pins.map(name));
        }
        let mut ebpf = loader
            .load(OBJECT)
            .map_err(|source| CaptureError::Load(Box::new(source)))?;
        crash::point("maps-pinned");
        // A program may serve several hooks.
        for name in PROGRAMS
            .map(|(_, name)| name)
            .into_iter()
            .collect::<BTreeSet<_>>()
        {
            let program: &mut UProbe = program(&mut ebpf, name)?;
            program
                .load()
                .map_err(|source| program_error(name, source))?;
        }
        let mut attached: BTreeMap<u32, Attached> = BTreeMap::new();
        for (index, name, path) in pins.links()? {
            let link = open_link(&name, &path)?;
            let of = attached.entry(index).or_default();
            of.links.push(Link { name, link });
        }
        let exit = Some(exit_link(&mut ebpf, &pins)?);

        let ring_map: RingBuf<MapData> = map(&mut ebpf, "RING")?;
        let ring = map_ring(ring_map.as_fd(), ring_bytes)?;
        let drops = Drops(map(&mut ebpf, "DROPS")?);
        let targets = map(&mut ebpf, "TARGETS")?;
        let used = attached.keys().max().map_or(0, |index| index + 1);
        let capture = Self {
            targets,
            options,
            pids: map(&mut ebpf, "PIDS")?,
            uids: map(&mut ebpf, "UIDS")?,
            processes: 0,
            ebpf,
            pins,
            attached,
            used,
            exit,
        };
        Ok((capture, Source { ring, drops }))
    }

    /// Indexes of the server binaries that a former recorder has left attached with every probe. What it
    /// had only begun to attach is detached.
    pub fn adopt(&mut self) -> Vec<u32> {
        let (adopted, begun): (Vec<u32>, _) = self
            .attached
            .keys()
            .partition(|index| self.pins.is_complete(**index));
        for index in begun {
            self.detach(index);
        }
        adopted
    }

    /// What is known of a server binary that a former recorder has left attached, and what is to be
    /// recorded of it from now on.
    ///
    /// # Errors
    ///
    /// When a probe cannot be attached, or the table cannot be written.
    pub fn renew(
        &mut self,
        index: u32,
        server: &Server,
        resolved: &Resolved,
    ) -> Result<(), CaptureError> {
        if let Some(attached) = self.attached.get_mut(&index) {
            attached.resolved = Some(resolved.clone());
        }
        self.attach_missing(index, &server.attach_path, &server.exe)?;
        self.settle(index)
    }

    /// Makes an index one that records in the ring carry.
    pub fn reserve(&mut self, index: u32) {
        self.used = self.used.max(index + 1);
    }

    /// Tells the probes about a server binary; returns its index, which each of its records carries.
    /// Nothing is recorded before [`Capture::attach`].
    ///
    /// # Errors
    ///
    /// When the table is full or cannot be written.
    pub fn prepare(&mut self, resolved: &Resolved) -> Result<u32, CaptureError> {
        let index = (self.used..TARGETS_MAX)
            .chain(0..self.used)
            .find(|index| !self.attached.contains_key(index))
            .ok_or(CaptureError::TooManyTargets)?;
        self.reserve(index);
        self.tell(index, resolved)?;
        let attached = Attached {
            resolved: Some(resolved.clone()),
            links: Vec::new(),
        };
        self.attached.insert(index, attached);
        Ok(index)
    }

    /// Puts what is known about a binary, and what is to be recorded, where the probes look it up.
    fn tell(&mut self, index: u32, resolved: &Resolved) -> Result<(), CaptureError> {
        let mut target = resolved.target;
        target.text_max = self.options.text_max;
        target.features = self.options.features() | self.processes;
        target.parameter_max = self.options.parameter_max;
        target.mysql.commands = command_mask();
        self.targets
            .set(index, TargetValue(target), 0)
            .map_err(|source| map_error("TARGETS", source))
    }

    /// Attaches to every hook that was found in the prepared server binary, and that what is recorded
    /// needs. The probes fire in every process that runs this binary, now and later.
    ///
    /// # Errors
    ///
    /// When a probe cannot be attached; then none is, and the index is free again.
    pub fn attach(&mut self, index: u32, server: &Server) -> Result<(), CaptureError> {
        let attached = self.attach_missing(index, &server.attach_path, &server.exe);
        if attached.is_err() {
            self.detach(index);
        }
        attached
    }

    /// Records other things from now on; `servers` are those that are attached, with their index. The
    /// size of the ring stays.
    ///
    /// # Errors
    ///
    /// When a probe cannot be attached; what could be, is in force.
    pub fn reconfigure<'s>(
        &mut self,
        options: Options,
        processes: &Processes,
        servers: impl IntoIterator<Item = (u32, &'s Server)>,
    ) -> Result<(), CaptureError> {
        self.options = options;
        self.choose(processes)?;
        for (index, server) in servers {
            self.attach_missing(index, &server.attach_path, &server.exe)?;
        }
        let indexes: Vec<u32> = self.attached.keys().copied().collect();
        for index in indexes {
            self.settle(index)?;
        }
        Ok(())
    }

    /// Lets a binary's probes record what is wanted now, and takes those off that it does not need.
    fn settle(&mut self, index: u32) -> Result<(), CaptureError> {
        let Some(mut attached) = self.attached.remove(&index) else {
            return Ok(());
        };
        let Some(resolved) = &attached.resolved else {
            // No process runs it, so nothing is missed until one does.
            self.attached.insert(index, attached);
            self.detach(index);
            return Ok(());
        };
        let told = self.tell(index, resolved);
        let needed: BTreeSet<String> = needed(resolved, self.options.features())
            .map(|(name, hook)| link_name(name, hook))
            .collect();
        let (links, gone) = attached
            .links
            .into_iter()
            .partition(|link: &Link| needed.contains(&link.name));
        release(gone);
        attached.links = links;
        self.attached.insert(index, attached);
        told
    }

    /// Sets which processes are recorded, for what is attached from now on.
    ///
    /// # Errors
    ///
    /// When there are more than the maps have room for.
    pub fn choose(&mut self, processes: &Processes) -> Result<(), CaptureError> {
        fill(&mut self.pids, "PIDS", &processes.pids, &processes.not_pids)?;
        fill(&mut self.uids, "UIDS", &processes.uids, &processes.not_uids)?;
        let bit = |list: &[u32], bit| if list.is_empty() { 0 } else { bit };
        self.processes = bit(&processes.pids, feature::ONLY_PIDS)
            | bit(&processes.not_pids, feature::NOT_PIDS)
            | bit(&processes.uids, feature::ONLY_UIDS)
            | bit(&processes.not_uids, feature::NOT_UIDS);
        Ok(())
    }

    /// Attaches the probes that what is recorded needs and that are not attached yet.
    fn attach_missing(&mut self, index: u32, path: &Path, exe: &Path) -> Result<(), CaptureError> {
        let features = self.options.features();
        let Some(attached) = self.attached.get_mut(&index) else {
            return Ok(());
        };
        let Some(resolved) = &attached.resolved else {
            return Ok(());
        };
        let missing: Vec<(&'static str, &Hook)> = needed(resolved, features)
            .filter(|(name, hook)| {
                let wanted = link_name(name, hook);
                !attached.links.iter().any(|link| link.name == wanted)
            })
            .collect();
        if missing.is_empty() {
            return Ok(());
        }
        self.pins.break_up(index)?;
        for (name, hook) in missing {
            let point = UProbeAttachPoint {
                location: UProbeAttachLocation::AbsoluteOffset(hook.file_offset),
                cookie: Some(u64::from(index)),
            };
            let full_name = link_name(name, hook);
            let pin = self.pins.link(index, &full_name);
            let link = attach_one(&mut self.ebpf, name, point, path, &pin)
                .map_err(|error| error.of(name, hook, exe))?;
            attached.links.push(Link {
                name: full_name,
                link,
            });
            crash::point("link-pinned");
        }
        self.pins.complete(index)?;
        Ok(())
    }

    /// Detaches from one server binary.
    pub fn detach(&mut self, index: u32) {
        if let Some(attached) = self.attached.remove(&index) {
            if let Err(error) = self.pins.break_up(index) {
                tracing::warn!(%error, "cannot detach");
            }
            release(attached.links);
        }
    }

    /// Detaches from every server binary. The maps stay: what is in the ring is yet to be read.
    pub fn detach_all(&mut self) {
        let indexes: Vec<u32> = self.attached.keys().copied().collect();
        for index in indexes {
            self.detach(index);
        }
        unpin(self.exit.take());
    }

    /// Ends with the pins, whose holder decides what becomes of them.
    #[must_use]
    pub fn into_pins(self) -> Pins {
        self.pins
    }
}

/// Makes a map hold exactly these entries.
fn fill(
    map: &mut HashMap<MapData, u32, u32>,
    name: &'static str,
    only: &[u32],
    not: &[u32],
) -> Result<(), CaptureError> {
    let failed = |source| map_error(name, source);
    let mut marks: BTreeMap<u32, u32> = only.iter().map(|id| (*id, pass::ONLY)).collect();
    for id in not {
        *marks.entry(*id).or_default() |= pass::NOT;
    }
    let known: Vec<u32> = map.keys().collect::<Result<_, _>>().map_err(failed)?;
    for id in known.into_iter().filter(|id| !marks.contains_key(id)) {
        map.remove(&id).map_err(failed)?;
    }
    for (id, mark) in marks {
        map.insert(id, mark, 0).map_err(failed)?;
    }
    Ok(())
}

fn program<'a, P>(ebpf: &'a mut Ebpf, name: &'static str) -> Result<&'a mut P, CaptureError>
where
    &'a mut P: TryFrom<&'a mut aya::programs::Program, Error = ProgramError>,
{
    ebpf.program_mut(name)
        .ok_or(CaptureError::Missing(name))?
        .try_into()
        .map_err(|source| program_error(name, source))
}

fn map<M>(ebpf: &mut Ebpf, name: &'static str) -> Result<M, CaptureError>
where
    M: TryFrom<aya::maps::Map, Error = MapError>,
{
    M::try_from(ebpf.take_map(name).ok_or(CaptureError::Missing(name))?)
        .map_err(|source| map_error(name, source))
}
