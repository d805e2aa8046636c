//! One probe: attached, pinned, found again, taken off.

use std::path::Path;

use aya::{
    Ebpf,
    programs::{
        ProgramError, RawTracePoint, UProbe,
        links::{FdLink, LinkError, PinnedLink},
        uprobe::{UProbeAttachPoint, UProbeScope},
    },
};

use super::{
    error::{CaptureError, program_error},
    program,
};
use crate::{
    crash,
    pins::{self, Pins},
    resolve::Hook,
};

/// One probe.
#[derive(Debug)]
pub(super) struct Link {
    /// The program and where it is, as [`link_name`] gives them.
    pub(super) name: String,
    pub(super) link: PinnedLink,
}

pub(super) fn release(links: Vec<Link>) {
    unpin(links.into_iter().map(|link| link.link));
}

pub(super) fn unpin(links: impl IntoIterator<Item = PinnedLink>) {
    for link in links {
        if let Err(error) = pins::unpin(link) {
            tracing::warn!(%error, "cannot detach");
        }
    }
}

/// Why one probe is not attached.
pub(super) enum Refused {
    Attach(ProgramError),
    Other(CaptureError),
}

impl Refused {
    pub(super) fn of(self, name: &'static str, hook: &Hook, exe: &Path) -> CaptureError {
        match self {
            Self::Attach(source) => CaptureError::Attach {
                name,
                symbol: hook.symbol.to_string(),
                exe: exe.display().to_string(),
                source: Box::new(source),
            },
            Self::Other(error) => error,
        }
    }
}

/// Attaches a program, and gives the probe a name, without which it ends with this process.
pub(super) fn attach_one(
    ebpf: &mut Ebpf,
    name: &'static str,
    point: UProbeAttachPoint<'_>,
    exe: &Path,
    pin: &Path,
) -> Result<PinnedLink, Refused> {
    let program: &mut UProbe = program(ebpf, name).map_err(Refused::Other)?;
    let link = program
        .attach(point, exe, UProbeScope::AllProcesses)
        .and_then(|id| program.take_link(id))
        .map_err(Refused::Attach)?;
    crash::point("attached");
    let link = FdLink::try_from(link).map_err(|source| Refused::Other(link_error(name, source)))?;
    pin_link(link, name, pin).map_err(Refused::Other)
}

fn pin_link(link: FdLink, name: &str, pin: &Path) -> Result<PinnedLink, CaptureError> {
    link.pin(pin).map_err(|source| CaptureError::Pin {
        name: name.to_owned(),
        source: Box::new(source),
    })
}

/// The probe that notices the end of threads: the pinned one, or a new one.
pub(super) fn exit_link(ebpf: &mut Ebpf, pins: &Pins) -> Result<PinnedLink, CaptureError> {
    let (name, pin) = (pins::THREAD_EXIT, pins.thread_exit());
    if pin.exists() {
        return open_link(name, &pin);
    }
    let exit: &mut RawTracePoint = program(ebpf, name)?;
    let link = exit
        .load()
        .and_then(|()| exit.attach("sched_process_exit"))
        .and_then(|id| exit.take_link(id))
        .map_err(|source| program_error(name, source))?;
    pin_link(link.into(), name, &pin)
}

pub(super) fn open_link(name: &str, pin: &Path) -> Result<PinnedLink, CaptureError> {
    PinnedLink::from_pin(pin).map_err(|source| link_error(name, source))
}

fn link_error(name: &str, source: LinkError) -> CaptureError {
    CaptureError::Link {
        name: name.to_owned(),
        source: Box::new(source),
    }
}
