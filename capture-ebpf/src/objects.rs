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

/// One table.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct Place {
    /// Names the table within the server: its OID (PostgreSQL) or the address of its share (MariaDB,
    /// MySQL).
    pub(crate) key: u64,
    /// Address of what the numbers are read from at the end (PostgreSQL), or 0.
    pub(crate) source: u64,
    /// See `capture_common::ids::access`.
    pub(crate) access: u32,
    /// See `Object::name_at`.
    pub(crate) name_at: u32,
    /// See `Object::schema`.
    pub(crate) schema: u32,
    /// Always 0.
    pub(crate) reserved: u32,
    /// Rows inserted, updated and deleted; where `source` is set, what was read there at first.
    pub(crate) rows: [u64; 3],
    /// See `Object`.
    pub(crate) names: [u8; OBJECT_NAMES],
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

#[repr(C)]
struct Record {
    object: Object,
    names: [u8; OBJECT_NAMES],
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

/// A new place for the table `key`; what it held before is stated, with the numbers that `rows` gives.
/// The caller fills in the rest.
#[inline(always)]
pub(crate) fn add(
    thread: &Thread,
    key: u64,
    rows: impl Fn(&Place) -> [u64; 3],
) -> Option<&'static mut Place> {
    let tables = find_or_add()?;
    let at = tables.used as usize % PLACES;
    let taken = tables.used as usize >= PLACES;
    tables.used = tables.used.wrapping_add(1);
    if tables.used as usize >= 2 * PLACES {
        tables.used -= PLACES as u32;
    }
    let place = &mut tables.places[at];
    if taken {
        state(thread, place, &rows);
    }
    place.key = key;
    place.source = 0;
    place.access = 0;
    place.name_at = 0;
    place.schema = 0;
    place.rows = [0; 3];
    Some(place)
}

/// States all tables of the statement that ends, with the numbers that `rows` gives, and forgets them.
#[inline(always)]
pub(crate) fn state_all(thread: &Thread, rows: impl Fn(&Place) -> [u64; 3]) {
    let Some(tables) = find() else { return };
    let mut at = 0;
    while at < PLACES {
        if at as u32 >= tables.used {
            break;
        }
        state(thread, &tables.places[at], &rows);
        at += 1;
    }
    tables.used = 0;
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
fn state(thread: &Thread, place: &Place, rows: &impl Fn(&Place) -> [u64; 3]) {
    let [inserted, updated, deleted] = rows(place);
    let Some(mut entry) = RING.reserve::<Record>(0) else {
        maps::dropped(drop_reason::RING_FULL_DETAIL);
        return;
    };
    let mut header = emit::header(kind::OBJECT, thread);
    header.data_len = OBJECT_NAMES as u32;
    let record = entry.as_mut_ptr();
    // SAFETY: `record` is a reservation of exactly this type, of which every byte is written.
    unsafe {
        (*record).object = Object {
            header,
            access: place.access,
            name_at: place.name_at,
            schema: place.schema,
            reserved: 0,
            inserted,
            updated,
            deleted,
        };
        (*record).names = place.names;
    }
    entry.submit(wake());
}
