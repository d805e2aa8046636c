//! The tables of a statement: which are locked for it, and how many rows of each really change.
//!
//! A table is known by its share, which all of its handlers have. Row calls are counted where they
//! return: an insert that meets a duplicate key is one call that changes nothing.

use core::ffi::c_void;

use aya_ebpf::{
    helpers::generated::bpf_loop,
    programs::{ProbeContext, RetProbeContext},
};
use capture_common::{
    ids::access,
    record::OBJECT_NAMES,
    target::{ABSENT, MysqlLayout, Target},
};

use crate::{
    objects::{self, Place},
    read,
    thread::{self, Thread},
};

/// `F_UNLCK` and `TL_UNLOCK` are below this; types of `thr_lock_type` from here on lock.
const FIRST_LOCK: u32 = 2;

/// Tables of one statement that are looked at: as many as the servers join or lock in practice, with
/// room for thousands of partitions.
const TABLES_MAX: u32 = 8192;

/// The tables of the running statement are locked.
#[inline(always)]
pub(crate) fn locked(ctx: &ProbeContext) {
    let Some((_, target)) = read::target(ctx) else {
        return;
    };
    let Some(thread) = thread::find() else { return };
    if thread.open == 0 {
        return;
    }
    let [tables, count, ..] = read::arguments_1_to_4(ctx);
    let count = count as u32;
    let mut walk = Walk {
        thread,
        target,
        tables,
    };
    // SAFETY: the callback has the form that the helper asks for, and `walk` outlives the call.
    unsafe {
        bpf_loop(
            if count < TABLES_MAX {
                count
            } else {
                TABLES_MAX
            },
            step as *mut c_void,
            (&raw mut walk).cast::<c_void>(),
            0,
        );
    }
}

/// A walk over the tables that are locked.
#[repr(C)]
struct Walk {
    thread: *const Thread,
    target: *const Target,
    tables: u64,
}

/// One table; 1 ends the walk.
extern "C" fn step(index: u64, walk: *mut Walk) -> i64 {
    // SAFETY: the helper hands back the pointer that `locked` gave it; thread and target are map values.
    let (thread, target) = unsafe { (&*(*walk).thread, &*(*walk).target) };
    // SAFETY: as above.
    let tables = unsafe { (*walk).tables };
    let layout = &target.mysql;
    let table = read::value::<u64>(tables + index * 8).unwrap_or(0);
    let Some(share) = read::field::<u64>(table, layout.table_share) else {
        return 0;
    };
    let Some(lock) = read::field::<u32>(table, layout.table_lock) else {
        return 0;
    };
    let Some(place) = place(thread, layout, share) else {
        return 0;
    };
    if layout.lock_reads == ABSENT || lock < FIRST_LOCK {
        return 0;
    }
    place.object.access |= if lock - FIRST_LOCK <= layout.lock_reads {
        access::READ
    } else {
        access::WRITE | access::COUNTED
    };
    0
}

/// The place of the table with this share; `None` where it is none that is stated.
#[inline(always)]
fn place(thread: &Thread, layout: &MysqlLayout, share: u64) -> Option<&'static mut Place> {
    if let Some(known) = objects::known(share) {
        return Some(known);
    }
    let [key, len] = read::field::<[u64; 2]>(share, layout.share_key)?;
    // A table that the server makes for itself has no name.
    if key == 0 || len < 3 || is_own(read::value(key)?) {
        return None;
    }
    let place = objects::add(thread, share)?;
    place.names = [0; OBJECT_NAMES / 8];
    let room = if len < OBJECT_NAMES as u64 {
        len
    } else {
        OBJECT_NAMES as u64
    };
    // SAFETY: the names are OBJECT_NAMES bytes long and `room` at most that. What cannot be read has no
    // name.
    let _read = unsafe { read::bytes(place.names.as_mut_ptr().cast(), room as u32, key) };
    Some(place)
}

/// Whether a table's key begins with the name of one of the server's own schemas, by its first bytes.
#[inline(always)]
fn is_own(first: [u8; 8]) -> bool {
    let first = u64::from_le_bytes(first);
    let begins = |name: [u8; 8], bytes: u32| {
        let shift = 64 - 8 * bytes;
        (first << shift) == (u64::from_le_bytes(name) << shift)
    };
    begins(*b"mysql\0\0\0", 6)
        || begins(*b"sys\0\0\0\0\0", 4)
        || begins(*b"performa", 8)
        || begins(*b"informat", 8)
}

/// A row is to be inserted, updated or deleted.
#[inline(always)]
pub(crate) fn row(ctx: &ProbeContext) {
    let Some((_, target)) = read::target(ctx) else {
        return;
    };
    let Some(thread) = thread::find() else { return };
    thread.row_depth += 1;
    if thread.row_depth > 1 {
        return;
    }
    let handler = ctx.arg::<u64>(0).unwrap_or(0);
    let share = read::field(handler, target.mysql.handler_share).unwrap_or(0);
    thread.row_share = if thread.open == 0 { 0 } else { share };
}

/// It was, if the call returned 0. `what` is 0 for an insert, 1 for an update and 2 for
/// a delete.
#[inline(always)]
pub(crate) fn row_done(ctx: &RetProbeContext, what: usize) {
    let Some((_, target)) = read::target(ctx) else {
        return;
    };
    let Some(thread) = thread::find() else { return };
    if thread.row_depth != 1 {
        thread.row_depth = thread.row_depth.saturating_sub(1);
        return;
    }
    thread.row_depth = 0;
    if thread.row_share == 0 || !read::returned_zero(ctx) {
        return;
    }
    // Under LOCK TABLES no table is locked for the statement itself.
    if let Some(place) = place(thread, &target.mysql, thread.row_share) {
        place.object.access |= access::WRITE | access::COUNTED;
        match what {
            0 => place.object.inserted += 1,
            1 => place.object.updated += 1,
            _ => place.object.deleted += 1,
        }
    }
}
