//! The kernel half: loaded, told about server binaries, attached and detached.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt, io,
    os::fd::AsFd,
    path::Path,
};

use aya::{
    Ebpf, EbpfError, EbpfLoader,
    maps::{Array, HashMap, MapData, MapError, RingBuf},
    programs::{
        ProgramError, RawTracePoint, UProbe,
        uprobe::{UProbeAttachLocation, UProbeAttachPoint, UProbeLinkId, UProbeScope},
    },
};
use capture_common::{
    ids::{drop_reason, feature, hook, pass},
    target::{TARGETS_MAX, Target},
};

use crate::{
    resolve::{Hook, Resolved},
    ring::Ring,
    servers::Server,
};

/// The kernel half, as `capture-ebpf/build` makes it from source.
static OBJECT: &[u8] = aya::include_bytes_aligned!("../prebuilt/capture.bpf.o");

/// Programs of each hook, by its index in [`hook`]: what fires at its entry comes first.
const PROGRAMS: [(usize, &str); 34] = [
    (hook::PG_PORTAL_RUN, "pg_portal_run"),
    (hook::PG_END_COMMAND, "pg_end_command"),
    (hook::PG_EMIT_ERROR, "pg_emit_error"),
    (hook::PG_NULL_COMMAND, "pg_null_command"),
    (hook::PG_CONNECT, "pg_connect"),
    (hook::MY_DISPATCH, "my_dispatch"),
    (hook::MY_STATEMENT_END, "my_statement_end"),
    (hook::MY_SEND_ERROR, "my_send_error"),
    (hook::MY_CONNECT, "my_connect"),
    (hook::MY_DISCONNECT, "my_disconnect"),
    (hook::PG_SCAN, "pg_scan"),
    (hook::PG_RESULT, "pg_result"),
    (hook::PG_COPY_TO, "pg_copy_to"),
    (hook::PG_INSERT, "pg_insert"),
    (hook::PG_UPDATE, "pg_update"),
    (hook::PG_DELETE, "pg_delete"),
    (hook::PG_SCHEMA, "pg_schema"),
    (hook::PG_SCHEMA, "pg_schema_return"),
    (hook::PG_SCHEMA_CREATE, "pg_schema_create"),
    (hook::PG_SCHEMA_CREATE, "pg_schema_return"),
    (hook::PG_SCHEMA_RENAME, "pg_schema_rename"),
    (hook::PG_SCHEMA_RENAME, "pg_schema_rename_return"),
    (hook::MY_PREPARED, "my_prepared"),
    (hook::MY_LOCK_TABLES, "my_lock_tables"),
    (hook::MY_WRITE_ROW, "my_row"),
    (hook::MY_UPDATE_ROW, "my_row"),
    (hook::MY_DELETE_ROW, "my_row"),
    (hook::MY_WRITE_ROW, "my_row_written"),
    (hook::MY_UPDATE_ROW, "my_row_updated"),
    (hook::MY_DELETE_ROW, "my_row_deleted"),
    (hook::MY_LOGIN, "my_login"),
    (hook::MY_LOGIN, "my_logged_in"),
    (hook::MY_SUB, "my_sub_begin"),
    (hook::MY_SUB, "my_sub_end"),
];

/// Default size of the ring: half a minute of 10,000 statements a second of 200 bytes each.
pub const RING_BYTES_DEFAULT: u32 = 64 << 20;

/// Default of the most bytes recorded of one text.
pub const TEXT_MAX_DEFAULT: u32 = 64 << 10;

/// Default of the most bytes recorded of one bind value.
pub const PARAMETER_MAX_DEFAULT: u32 = 1 << 10;

/// The most that can be configured for one bind value: what one record holds.
pub const PARAMETER_MAX_LIMIT: u32 = 32 << 10;

/// The most that can be configured for one text.
pub const TEXT_MAX_LIMIT: u32 = 16 << 20;

/// Commands of MariaDB and MySQL that are recorded (`enum enum_server_command`): those that run
/// something or change the server. Not `QUIT`, `FIELD_LIST`, `STATISTICS`, `PING`, `STMT_CLOSE`,
/// `STMT_RESET`, `STMT_FETCH` and the like, which belong to a statement that is recorded or to none.
const COMMANDS: [u8; 17] = [
    2, 3, 5, 6, 7, 8, 12, 13, 17, 18, 19, 21, 22, 23, 30, 31, 250,
];

fn command_mask() -> [u64; 4] {
    let mut mask = [0; 4];
    for command in COMMANDS {
        mask[usize::from(command / 64)] |= 1 << (command % 64);
    }
    mask
}

/// What can go wrong with the kernel half.
#[derive(Debug, thiserror::Error)]
pub enum CaptureError {
    /// The kernel refused the programs or maps.
    #[error("the kernel did not load the probes")]
    Load(#[source] Box<EbpfError>),
    /// The object has no such program or map: it does not belong to this version.
    #[error("the embedded probes have no {0}")]
    Missing(&'static str),
    /// A program could not be loaded.
    #[error("the kernel did not load the probe {name}")]
    Program {
        /// Name of the program.
        name: &'static str,
        /// Why.
        #[source]
        source: Box<ProgramError>,
    },
    /// A program could not be attached.
    #[error("cannot attach {name} to {symbol} in {exe}")]
    Attach {
        /// Name of the program.
        name: &'static str,
        /// The hooked function.
        symbol: String,
        /// The server binary.
        exe: String,
        /// Why.
        #[source]
        source: Box<ProgramError>,
    },
    /// A map could not be read or written.
    #[error("cannot use the map {name}")]
    Map {
        /// Name of the map.
        name: &'static str,
        /// Why.
        #[source]
        source: Box<MapError>,
    },
    /// The ring could not be mapped.
    #[error("cannot map the ring")]
    Ring(#[source] io::Error),
    /// All places in the table are taken.
    #[error("more than {TARGETS_MAX} server binaries at once")]
    TooManyTargets,
}

impl CaptureError {
    /// What the user can do about it.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Load(_) | Self::Program { .. } => Some(
                "root, or CAP_BPF, CAP_PERFMON and CAP_SYS_ADMIN, and Linux 6.1 or newer are needed; `sqltrail doctor` says what is missing",
            ),
            Self::Attach { .. } => Some("`sqltrail doctor` shows which hooks the binary has"),
            Self::Missing(_) | Self::Map { .. } | Self::Ring(_) => None,
            Self::TooManyTargets => Some("name the servers to record on the command line"),
        }
    }
}

/// How to load the kernel half.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Size of the ring in bytes: a power of two, at least 1 MiB.
    pub ring_bytes: u32,
    /// Most bytes recorded of one text.
    pub text_max: u32,
    /// Whether bind values are recorded.
    pub parameters: bool,
    /// Most bytes recorded of one bind value.
    pub parameter_max: u32,
    /// Whether the tables that each statement touches are recorded.
    pub objects: bool,
    /// Whether statements inside functions, procedures and triggers are recorded.
    pub sub_statements: bool,
}

impl Options {
    /// What is recorded besides statements and sessions, as bits of [`feature`].
    fn features(&self) -> u32 {
        let bit = |on, bit| if on { bit } else { 0 };
        bit(self.parameters, feature::PARAMETERS)
            | bit(self.objects, feature::OBJECTS)
            | bit(self.sub_statements, feature::SUB_STATEMENTS)
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            ring_bytes: RING_BYTES_DEFAULT,
            text_max: TEXT_MAX_DEFAULT,
            parameters: true,
            parameter_max: PARAMETER_MAX_DEFAULT,
            objects: true,
            sub_statements: false,
        }
    }
}

/// Counters of what the kernel half could not hand over.
pub struct Drops(Array<MapData, u64>);

impl fmt::Debug for Drops {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Drops").finish_non_exhaustive()
    }
}

impl Drops {
    /// The counters by reason; they only grow.
    ///
    /// # Errors
    ///
    /// When the map cannot be read.
    pub fn read(&self) -> Result<[u64; drop_reason::MAX as usize], CaptureError> {
        let mut counts = [0; drop_reason::MAX as usize];
        for (reason, count) in (0..).zip(counts.iter_mut()) {
            *count = self
                .0
                .get(&reason, 0)
                .map_err(|source| map_error("DROPS", source))?;
        }
        Ok(counts)
    }
}

/// The loaded kernel half.
pub struct Capture {
    ebpf: Ebpf,
    targets: Array<MapData, TargetValue>,
    options: Options,
    pids: HashMap<MapData, u32, u32>,
    uids: HashMap<MapData, u32, u32>,
    /// Bits of [`feature`] that say whether processes are chosen.
    processes: u32,
    attached: BTreeMap<u32, Attached>,
}

/// A server binary whose probes are on, or about to be.
#[derive(Debug)]
struct Attached {
    resolved: Resolved,
    links: Vec<Link>,
}

/// One probe.
#[derive(Debug)]
struct Link {
    hook: usize,
    feature: u32,
    name: &'static str,
    id: UProbeLinkId,
}

/// Which processes are recorded.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Processes {
    /// Only these; every one when empty. Backends go with their postmaster.
    pub pids: Vec<u32>,
    /// None of these.
    pub not_pids: Vec<u32>,
    /// Only those of these users; of every one when empty.
    pub uids: Vec<u32>,
    /// None of these users' processes.
    pub not_uids: Vec<u32>,
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
    /// Loads programs and maps; nothing is attached to a server yet.
    ///
    /// # Errors
    ///
    /// When the kernel or the caller's privileges do not suffice.
    pub fn load(options: Options) -> Result<(Self, Ring, Drops), CaptureError> {
        let mut ebpf = EbpfLoader::new()
            .map_max_entries("RING", options.ring_bytes)
            .override_global("WAKE_BYTES", &u64::from(options.ring_bytes / 4), true)
            .load(OBJECT)
            .map_err(|source| CaptureError::Load(Box::new(source)))?;
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
        let name = "thread_exit";
        let exit: &mut RawTracePoint = program(&mut ebpf, name)?;
        exit.load()
            .and_then(|()| exit.attach("sched_process_exit"))
            .map_err(|source| program_error(name, source))?;

        let ring_map: RingBuf<MapData> = map(&mut ebpf, "RING")?;
        let fd = ring_map
            .as_fd()
            .try_clone_to_owned()
            .map_err(CaptureError::Ring)?;
        let ring = Ring::new(fd, options.ring_bytes as usize).map_err(CaptureError::Ring)?;
        let drops = Drops(map(&mut ebpf, "DROPS")?);
        let targets = map(&mut ebpf, "TARGETS")?;
        let capture = Self {
            targets,
            options,
            pids: map(&mut ebpf, "PIDS")?,
            uids: map(&mut ebpf, "UIDS")?,
            processes: 0,
            ebpf,
            attached: BTreeMap::new(),
        };
        Ok((capture, ring, drops))
    }

    /// Tells the probes about a server binary; returns its index, which each of its records carries.
    /// Nothing is recorded before [`Capture::attach`].
    ///
    /// # Errors
    ///
    /// When the table is full or cannot be written.
    pub fn prepare(&mut self, resolved: &Resolved) -> Result<u32, CaptureError> {
        let index = (0..TARGETS_MAX)
            .find(|index| !self.attached.contains_key(index))
            .ok_or(CaptureError::TooManyTargets)?;
        let attached = Attached {
            resolved: resolved.clone(),
            links: Vec::new(),
        };
        self.tell(index, &attached.resolved)?;
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
        let features = options.features();
        for (index, attached) in std::mem::take(&mut self.attached) {
            self.tell(index, &attached.resolved)?;
            let unwanted = |link: &Link| link.feature != 0 && link.feature & features == 0;
            let (gone, links) = attached.links.into_iter().partition(unwanted);
            self.release(gone);
            let resolved = attached.resolved;
            self.attached.insert(index, Attached { resolved, links });
        }
        Ok(())
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
        let wanted = |hook: &&Hook| hook.feature == 0 || hook.feature & features != 0;
        for found in attached.resolved.hooks.iter().filter(wanted) {
            for (_, name) in PROGRAMS.iter().filter(|(id, _)| *id == found.id) {
                let is_there = |link: &Link| link.name == *name && link.hook == found.id;
                if attached.links.iter().any(is_there) {
                    continue;
                }
                let point = UProbeAttachPoint {
                    location: UProbeAttachLocation::AbsoluteOffset(found.file_offset),
                    cookie: Some(u64::from(index)),
                };
                let program: &mut UProbe = program(&mut self.ebpf, name)?;
                let id = program
                    .attach(point, path, UProbeScope::AllProcesses)
                    .map_err(|source| CaptureError::Attach {
                        name,
                        symbol: found.symbol.clone(),
                        exe: exe.display().to_string(),
                        source: Box::new(source),
                    })?;
                attached.links.push(Link {
                    hook: found.id,
                    feature: found.feature,
                    name,
                    id,
                });
            }
        }
        Ok(())
    }

    /// Detaches from one server binary.
    pub fn detach(&mut self, index: u32) {
        if let Some(attached) = self.attached.remove(&index) {
            self.release(attached.links);
        }
    }

    /// Detaches from every server binary.
    pub fn detach_all(&mut self) {
        for (_, attached) in std::mem::take(&mut self.attached) {
            self.release(attached.links);
        }
    }

    fn release(&mut self, links: Vec<Link>) {
        for Link { name, id, .. } in links {
            let detached = program::<UProbe>(&mut self.ebpf, name).and_then(|program| {
                program
                    .detach(id)
                    .map_err(|source| program_error(name, source))
            });
            if let Err(error) = detached {
                tracing::warn!(probe = name, %error, "cannot detach");
            }
        }
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

fn program_error(name: &'static str, source: ProgramError) -> CaptureError {
    CaptureError::Program {
        name,
        source: Box::new(source),
    }
}

fn map_error(name: &'static str, source: MapError) -> CaptureError {
    CaptureError::Map {
        name,
        source: Box::new(source),
    }
}
