//! Which tables the running statement has touched, and how many rows of each it changed.
//!
//! A statement's tables are gathered per thread and stated once, before its end; a statement that
//! touches more tables than there are places states some of them early, and perhaps twice.

use capture_common::{
    ids::{drop_reason, kind},
    record::{OBJECT_NAMES, Object},
};

use crate::{
    emit,
    maps::{self, OBJECTS, RING, wake},
    thread::Thread,
};
use aya_ebpf::helpers::bpf_get_current_pid_tgid;

/// Tables of one statement that are kept at once.
pub(crate) const PLACES: usize = 16;

/// One table: its record, which lacks only the header, and what it is known by.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct Place {
    /// Names the table within the server: its OID (PostgreSQL) or the address of its share (MariaDB,
    /// MySQL).
    pub(crate) key: u64,
    /// Address of the execution that touched it (`EState`, PostgreSQL), or 0.
    pub(crate) source: u64,
    /// What is stated.
    pub(crate) object: Object,
    /// See `Object`.
    pub(crate) names: [u64; OBJECT_NAMES / 8],
}

impl Place {
    /// Starts anew, without names.
    #[inline(always)]
    fn reset(&mut self, key: u64) {
        self.key = key;
        self.source = 0;
        self.object.access = 0;
        self.object.name_at = 0;
        self.object.schema = 0;
        self.object.inserted = 0;
        self.object.updated = 0;
        self.object.deleted = 0;
    }
}

/// The tables of a thread's statement.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct Tables {
    /// How many places were taken; beyond [`PLACES`] they are taken anew, in turn.
    used: u32,
    padding: u32,
    places: [Place; PLACES],
}

/// The tables of the running thread's statement, if any were touched.
#[inline(always)]
fn find() -> Option<&'static mut Tables> {
    let tables = OBJECTS.get_ptr_mut(bpf_get_current_pid_tgid())?;
    // SAFETY: the entry stays valid during the program (it is removed only by its own thread's exit),
    // and no other thread uses it.
    Some(unsafe { &mut *tables })
}

#[inline(always)]
fn find_or_add() -> Option<&'static mut Tables> {
    if let Some(tables) = find() {
        return Some(tables);
    }
    // An entry is too large for the stack, so a new one is a copy of one that nobody writes to.
    let none = maps::NO_OBJECTS.get(0)?;
    if OBJECTS.insert(bpf_get_current_pid_tgid(), none, 0).is_err() {
        maps::dropped(drop_reason::SESSIONS_FULL);
        return None;
    }
    find()
}

/// The place of the table `key`, if the running statement has touched it before.
#[inline(always)]
pub(crate) fn known(key: u64) -> Option<&'static mut Place> {
    let tables = find()?;
    let mut at = 0;
    while at < PLACES {
        if at as u32 >= tables.used {
            return None;
        }
        if tables.places[at].key == key {
            return Some(&mut tables.places[at]);
        }
        at += 1;
    }
    None
}

/// A new place for the table `key`; what it held before is stated. The caller fills in the rest.
#[inline(always)]
pub(crate) fn add(thread: &Thread, key: u64) -> Option<&'static mut Place> {
    let tables = find_or_add()?;
    let at = tables.used as usize % PLACES;
    let taken = tables.used as usize >= PLACES;
    tables.used = tables.used.wrapping_add(1);
    if tables.used as usize >= 2 * PLACES {
        tables.used -= PLACES as u32;
    }
    let place = &mut tables.places[at];
    if taken {
        state(thread, place);
    }
    place.reset(key);
    Some(place)
}

/// States all tables of the statement that ends, and forgets them.
#[inline(always)]
pub(crate) fn state_all(thread: &Thread) {
    let Some(tables) = find() else { return };
    let mut at = 0;
    while at < PLACES {
        if at as u32 >= tables.used {
            break;
        }
        state(thread, &mut tables.places[at]);
        at += 1;
    }
    tables.used = 0;
}

/// States the tables that were touched for something else than `source`, and keeps the rest.
#[inline(always)]
pub(crate) fn state_others(thread: &Thread, source: u64) {
    let Some(tables) = find() else { return };
    let mut kept = 0;
    let mut at = 0;
    while at < PLACES {
        if at as u32 >= tables.used {
            break;
        }
        if source != 0 && tables.places[at].source == source {
            kept += 1;
        } else {
            state(thread, &mut tables.places[at]);
            tables.places[at].reset(0);
        }
        at += 1;
    }
    if kept == 0 {
        tables.used = 0;
    }
}

/// Forgets the tables of a statement that is not recorded.
#[inline(always)]
pub(crate) fn clear() {
    if let Some(tables) = find() {
        tables.used = 0;
    }
}

/// Drops the entry of the running thread, which ends.
#[inline(always)]
pub(crate) fn forget() {
    // Only this thread removes its entry, and it may have none.
    let _removed = OBJECTS.remove(bpf_get_current_pid_tgid());
}

#[inline(always)]
fn state(thread: &Thread, place: &mut Place) {
    // A place that was given up.
    if place.key == 0 {
        return;
    }
    place.object.header = emit::header(kind::OBJECT, thread);
    place.object.header.data_len = OBJECT_NAMES as u32;
    let record = (&raw const place.object).cast::<Stated>();
    // SAFETY: the names stand right behind the object, and both together are as long as `Stated`.
    if RING.output::<Stated>(unsafe { &*record }, wake()).is_err() {
        maps::dropped(drop_reason::RING_FULL_DETAIL);
    }
}

/// The record as it stands in the ring.
type Stated = [u64; (size_of::<Object>() + OBJECT_NAMES) / 8];
