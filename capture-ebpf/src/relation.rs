//! PostgreSQL: the relations that the executor opens, and the rows that it changes in each.
//!
//! Reads are known by the scan nodes that a plan starts, writes by the result relations. Rows are
//! counted where the server counts them for its statistics. Catalogs are left out.

use aya_ebpf::programs::{ProbeContext, RetProbeContext};
use capture_common::{
    ids::{access, hook},
    target::PostgresLayout,
};

use crate::{
    maps::{NAMESPACES, Namespace},
    objects, postgres, read,
    thread::{self, Thread},
};

/// OIDs from here on are of what users made (`FirstNormalObjectId`, access/transam.h).
const FIRST_NORMAL_OID: u32 = 16_384;

/// Bytes of a name (`NAMEDATALEN`, pg_config_manual.h).
pub(crate) const NAME_LEN: usize = 64;

/// Which of a place's numbers a hook counts.
#[derive(Clone, Copy)]
pub(crate) enum Count {
    Inserted,
    Updated,
    Deleted,
}

/// A plan node that scans a relation starts: `ExecInitScanTupleSlot(EState *, ScanState *, ...)`.
#[inline(always)]
pub(crate) fn scan(ctx: &ProbeContext) {
    let Some(hit) = read::hit(ctx, hook::PG_SCAN) else {
        return;
    };
    let layout = &hit.target.postgres;
    let state = ctx.arg::<u64>(1).unwrap_or(0);
    let estate = ctx.arg::<u64>(0).unwrap_or(0);
    let mut relation = read::field::<u64>(state, layout.scan_relation).unwrap_or(0);
    if relation == 0 {
        // A bitmap scan notes its relation later, and others have none.
        relation = planned(layout, estate, state);
    }
    if let Some(thread) = thread::find() {
        touch(thread, layout, relation, access::READ, estate);
    } else if let Some(thread) = postgres::session(&hit) {
        touch(thread, layout, relation, access::READ, estate);
    }
}

/// The relation that a node's plan names, 0 when it names none.
#[inline(always)]
fn planned(layout: &PostgresLayout, estate: u64, state: u64) -> u64 {
    let plan = read::field::<u64>(state, layout.node_plan).unwrap_or(0);
    let place = read::field::<u32>(plan, layout.scan_place).unwrap_or(0);
    let relations = read::field::<u64>(estate, layout.state_relations).unwrap_or(0);
    if place == 0 || relations == 0 {
        return 0;
    }
    read::value(relations.wrapping_add(u64::from(place - 1) * 8)).unwrap_or(0)
}

/// A relation is opened for changes: `InitResultRelInfo(ResultRelInfo *, Relation, ...)`.
#[inline(always)]
pub(crate) fn result(ctx: &ProbeContext) {
    let Some(hit) = read::hit(ctx, hook::PG_RESULT) else {
        return;
    };
    let relation = ctx.arg::<u64>(1).unwrap_or(0);
    if let Some(thread) = thread::find() {
        let how = access::WRITE | access::COUNTED;
        touch(thread, &hit.target.postgres, relation, how, 0);
    }
}

/// A relation is copied out: `BeginCopyTo(ParseState *, Relation, ...)`, without one for a query.
#[inline(always)]
pub(crate) fn copy_to(ctx: &ProbeContext) {
    let Some(hit) = read::hit(ctx, hook::PG_COPY_TO) else {
        return;
    };
    let relation = ctx.arg::<u64>(1).unwrap_or(0);
    if let Some(thread) = thread::find() {
        touch(thread, &hit.target.postgres, relation, access::READ, 0);
    }
}

#[inline(always)]
fn touch(thread: &Thread, layout: &PostgresLayout, relation: u64, how: u32, estate: u64) {
    let oid = read::field::<u32>(relation, layout.relation_oid).unwrap_or(0);
    if oid < FIRST_NORMAL_OID {
        return;
    }
    if let Some(place) = objects::known(u64::from(oid)) {
        place.object.access |= how;
        return;
    }
    let Some(place) = objects::add(thread, u64::from(oid)) else {
        return;
    };
    place.object.access = how;
    place.source = estate;
    place.object.name_at = NAME_LEN as u32;
    let row = read::field::<u64>(relation, layout.relation_class).unwrap_or(0);
    let name = row.wrapping_add(u64::from(layout.class_name));
    // The schema's OID stands behind the name.
    let schema = read::value::<u32>(name.wrapping_add(NAME_LEN as u64)).unwrap_or(0);
    place.object.schema = schema;
    let [known, own] = halves(&mut place.names);
    // SAFETY: the second half has NAME_LEN bytes.
    let written = unsafe { read::string(own.as_mut_ptr().cast(), NAME_LEN as u32, name) };
    if written <= 0 {
        own[0] = 0;
    }
    match NAMESPACES.get_ptr(Namespace::new(thread.cluster, schema)) {
        // SAFETY: the entry stays valid during the program; a name that is written meanwhile is one of
        // the schema's.
        Some(found) => copy(known, unsafe { &*found }),
        None => known[0] = 0,
    }
}

/// The schema's and the relation's half of a place's names.
#[inline(always)]
fn halves(names: &mut [u64; 16]) -> [&mut [u64; 8]; 2] {
    let halves = (&raw mut *names).cast::<[u64; 8]>();
    // SAFETY: each half is within the array, and they do not overlap.
    unsafe { [&mut *halves, &mut *halves.add(1)] }
}

/// Copies word by word: of a whole array the compiler makes a loop over bytes.
#[inline(always)]
fn copy(to: &mut [u64; 8], from: &[u64; 8]) {
    let mut at = 0;
    while at < 8 {
        // SAFETY: both have eight words.
        unsafe { (&raw mut to[at]).write_volatile(from[at]) };
        at += 1;
    }
}

/// Rows of a relation were changed: `pgstat_count_heap_*(Relation, ...)`.
#[inline(always)]
pub(crate) fn count(ctx: &ProbeContext, which: usize, what: Count) {
    let Some(hit) = read::hit(ctx, which) else {
        return;
    };
    let relation = ctx.arg::<u64>(0).unwrap_or(0);
    let oid = read::field::<u32>(relation, hit.target.postgres.relation_oid).unwrap_or(0);
    if oid < FIRST_NORMAL_OID {
        return;
    }
    let Some(place) = objects::known(u64::from(oid)) else {
        return;
    };
    match what {
        Count::Inserted => {
            let rows = ctx.arg::<u64>(1).unwrap_or(1);
            place.object.inserted = place.object.inserted.wrapping_add(rows);
        }
        Count::Updated => place.object.updated = place.object.updated.wrapping_add(1),
        Count::Deleted => place.object.deleted = place.object.deleted.wrapping_add(1),
    }
}

/// The server is about to tell the OID of a schema by its name, the argument number `argument`.
#[inline(always)]
pub(crate) fn schema_asked(ctx: &ProbeContext, which: usize, argument: usize) {
    let Some(hit) = read::hit(ctx, which) else {
        return;
    };
    if let Some(thread) = postgres::session(&hit) {
        thread.schema_name = if argument == 0 {
            ctx.arg::<u64>(0).unwrap_or(0)
        } else {
            ctx.arg::<u64>(1).unwrap_or(0)
        };
    }
}

/// It has told: the OID is in the lower half of the result, or behind the catalog's in an
/// `ObjectAddress`.
#[inline(always)]
pub(crate) fn schema_told(ctx: &RetProbeContext, is_address: bool) {
    let Some(thread) = thread::find() else { return };
    let name = core::mem::replace(&mut thread.schema_name, 0);
    let result = ctx.ret::<u64>();
    let oid = if is_address {
        (result >> 32) as u32
    } else {
        result as u32
    };
    if name == 0 || oid == 0 {
        return;
    }
    let mut known = [0u64; NAME_LEN / 8];
    // SAFETY: the local has NAME_LEN bytes.
    let written = unsafe { read::string(known.as_mut_ptr().cast(), NAME_LEN as u32, name) };
    if written > 1 {
        let key = Namespace::new(thread.cluster, oid);
        // A name that finds no room is shown by its OID.
        let _inserted = NAMESPACES.insert(key, known, 0);
    }
}
