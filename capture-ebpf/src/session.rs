//! Who is connected: made into a record only when it is new or has changed.

use capture_common::{
    ids::{drop_reason, kind},
    record::{NAME_MAX, NAMES, NO_NAME, Session},
};

use crate::{
    emit,
    hash::{self, BLOCK},
    maps::{self, RING, wake},
    read,
    thread::Thread,
};

/// A string of the server: its address, 0 for none.
#[derive(Clone, Copy)]
pub(crate) struct Name {
    /// Where it starts.
    pub(crate) address: u64,
    /// Its length in bytes, [`NAME_MAX`] or more when a NUL ends it.
    pub(crate) len: u64,
}

impl Name {
    /// A string that a NUL ends.
    pub(crate) const fn terminated(address: u64) -> Self {
        Self {
            address,
            len: NAME_MAX as u64,
        }
    }

    /// No string.
    pub(crate) const NONE: Self = Self::terminated(0);
}

/// What a `SESSION` record is made of.
pub(crate) struct Facts {
    /// User, database, application, host, address.
    pub(crate) names: [Name; NAMES],
    /// Address of the `struct sockaddr`, 0 for none.
    pub(crate) remote: u64,
    /// TCP port, 0 for none.
    pub(crate) peer_port: u32,
}

#[repr(C)]
struct Record {
    session: Session,
    slots: [[u8; NAME_MAX]; NAMES],
}

/// Adds the first bytes of `name` to the hash `state`.
#[inline(always)]
pub(crate) fn fold(state: u64, name: Name) -> u64 {
    let mut block = [0u64; BLOCK / 8];
    if name.address != 0 {
        let room = if name.len < BLOCK as u64 - 1 {
            name.len + 1
        } else {
            BLOCK as u64
        };
        // SAFETY: the block is BLOCK bytes long and `room` at most that. What is unreadable stays zero.
        let _written =
            unsafe { read::string(block.as_mut_ptr().cast::<u8>(), room as u32, name.address) };
    }
    hash::mix(state ^ name.len, &block)
}

/// Makes a record of `facts`. Returns whether it is in the ring.
#[inline(always)]
pub(crate) fn record(thread: &mut Thread, facts: &Facts) -> bool {
    // Also when the record is lost: what follows must not be taken for the former identity's.
    thread.generation = thread.generation.wrapping_add(1);
    let Some(mut entry) = RING.reserve::<Record>(0) else {
        maps::dropped(drop_reason::RING_FULL_SESSION);
        return false;
    };
    let record = entry.as_mut_ptr();
    // SAFETY: `record` is a reservation of exactly this type; every slot is NAME_MAX bytes long.
    unsafe {
        (*record).session.header = emit::header(kind::SESSION, thread);
        (*record).session.header.data_len = (NAMES * NAME_MAX) as u32;
        (*record).session.remote = [0; 32];
        (*record).session.peer_port = facts.peer_port;
        if facts.remote != 0 {
            // A failure leaves family 0: not known.
            let _read = read::bytes(
                (&raw mut (*record).session.remote).cast::<u8>(),
                28,
                facts.remote,
            );
        }
        let mut slot = 0;
        while slot < NAMES {
            let name = facts.names[slot];
            let mut len = NO_NAME;
            if name.address != 0 {
                let room = if name.len < NAME_MAX as u64 - 1 {
                    name.len + 1
                } else {
                    NAME_MAX as u64
                };
                let to = (&raw mut (*record).slots[slot]).cast::<u8>();
                let written = read::string(to, room as u32, name.address);
                if written > 0 {
                    len = (written - 1) as u32;
                }
            }
            (*record).session.lengths[slot] = len;
            slot += 1;
        }
    }
    entry.submit(wake());
    true
}
