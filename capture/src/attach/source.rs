//! Where records come from: the ring, and the counters of what is not in it.

use std::{
    fmt,
    os::fd::{AsFd as _, BorrowedFd},
    path::Path,
};

use aya::maps::{Array, Map, MapData};
use capture_common::ids::drop_reason;

use super::error::{CaptureError, map_error};
use crate::{
    pins::{self, Foreign, Pins},
    ring::Ring,
};

/// Counters of what the kernel half could not hand over.
pub struct Drops(pub(super) Array<MapData, u64>);

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

/// What reading on needs of a kernel half.
#[derive(Debug)]
pub struct Source {
    /// The ring.
    pub ring: Ring,
    /// Counters of what is not in it.
    pub drops: Drops,
}

/// The ring that another layout has left, to be counted: its records cannot be understood, but that
/// there are some can. None where it left no ring.
///
/// # Errors
///
/// When its ring cannot be mapped.
pub fn unread(foreign: &Foreign) -> Result<Option<Ring>, CaptureError> {
    pinned_ring(&foreign.map("RING"))
}

/// What programs of another version but this layout have left, to be read to its end.
///
/// # Errors
///
/// When its maps cannot be opened.
pub fn reopen(pins: &Pins) -> Result<Option<Source>, CaptureError> {
    let Some(ring) = pinned_ring(&pins.map("RING"))? else {
        return Ok(None);
    };
    let failed = |source| map_error("DROPS", source);
    let drops = MapData::from_pin(pins.map("DROPS")).map_err(failed)?;
    let drops = Array::try_from(Map::Array(drops)).map_err(failed)?;
    Ok(Some(Source {
        ring,
        drops: Drops(drops),
    }))
}

fn pinned_ring(path: &Path) -> Result<Option<Ring>, CaptureError> {
    let Some(ring_bytes) = pins::ring_bytes(path) else {
        return Ok(None);
    };
    let data = MapData::from_pin(path).map_err(|source| map_error("RING", source))?;
    map_ring(data.fd().as_fd(), ring_bytes).map(Some)
}

pub(super) fn map_ring(fd: BorrowedFd<'_>, ring_bytes: u32) -> Result<Ring, CaptureError> {
    fd.try_clone_to_owned()
        .and_then(|fd| Ring::new(fd, ring_bytes as usize))
        .map_err(CaptureError::Ring)
}
