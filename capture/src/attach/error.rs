//! What can go wrong with the kernel half.

use std::io;

use aya::{
    EbpfError,
    maps::MapError,
    pin::PinError,
    programs::{ProgramError, links::LinkError},
};

use capture_common::target::TARGETS_MAX;

use crate::pins::PinsError;

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
    /// What should outlive the recorder cannot be named.
    #[error(transparent)]
    Pins(#[from] PinsError),
    /// A probe cannot be given its name.
    #[error("cannot pin {name}")]
    Pin {
        /// Name of the program or map.
        name: String,
        /// Why.
        #[source]
        source: Box<PinError>,
    },
    /// A probe that is pinned cannot be opened.
    #[error("cannot open the pinned probe {name}")]
    Link {
        /// Name of the program.
        name: String,
        /// Why.
        #[source]
        source: Box<LinkError>,
    },
    /// The rows account for more than the ring ever held.
    #[error("position {position} is not in the ring, which is at {produced}")]
    Position {
        /// How far the ring is said to be accounted for.
        position: u64,
        /// How far the kernel has written.
        produced: u64,
    },
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
            Self::Pins(error) => error.hint(),
            Self::Position { .. } | Self::Link { .. } => Some(
                "`sqltrail detach` removes the probes that a former recorder has left; what they recorded meanwhile is lost",
            ),
            Self::Missing(_) | Self::Map { .. } | Self::Ring(_) | Self::Pin { .. } => None,
            Self::TooManyTargets => Some("name the servers to record on the command line"),
        }
    }
}

pub(super) fn program_error(name: &'static str, source: ProgramError) -> CaptureError {
    CaptureError::Program {
        name,
        source: Box::new(source),
    }
}

pub(super) fn map_error(name: &'static str, source: MapError) -> CaptureError {
    CaptureError::Map {
        name,
        source: Box::new(source),
    }
}
