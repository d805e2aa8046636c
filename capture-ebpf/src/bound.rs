//! PostgreSQL: the bind values of a portal.
//!
//! The list of parameters goes into one record as it stands; what it only points to follows, a record
//! for each value.

use capture_common::{
    ids::{drop_reason, flag, kind, parameter_form},
    record::{Header, NO_COUNT, Parameters, Value},
    target::{PostgresLayout, Target},
};

use crate::{
    emit::{self, Failure},
    maps, read,
    text::{Context, repeat},
    thread::Thread,
};

/// Values of one statement that are looked at.
const VALUES_MAX: u32 = 4096;

/// Bytes of a `ParamExternData` (nodes/params.h): the value or its address, whether it is NULL, and at
/// 12 the OID of its type.
const ENTRY: u64 = 16;

/// How a type's values are passed (`typbyval` and `typlen` of pg_type).
enum Passed {
    /// In the list itself.
    ByValue,
    /// By address, this many bytes.
    Fixed(u64),
    /// By address, with a NUL behind it.
    Terminated,
    /// By address, with its length before it.
    Varlena,
}

/// How PostgreSQL's own types are passed (pg_type.dat). Of the types that users make, those that are
/// passed by value are smaller than any address: the OID of an enum's label, for one.
#[inline(always)]
fn passed(oid: u32, datum: u64) -> Passed {
    match oid {
        16
        | 18
        | 20..=24
        | 26
        | 28
        | 29
        | 700
        | 701
        | 790
        | 1082
        | 1083
        | 1114
        | 1184
        | 2202..=2206
        | 3220
        | 3734
        | 3769
        | 4089
        | 4096
        | 4191
        | 5069 => Passed::ByValue,
        19 => Passed::Fixed(64),
        27 | 829 => Passed::Fixed(6),
        600 | 1186 | 2950 => Passed::Fixed(16),
        601 | 603 => Passed::Fixed(32),
        628 | 718 => Passed::Fixed(24),
        774 => Passed::Fixed(8),
        1266 => Passed::Fixed(12),
        705 | 2275 => Passed::Terminated,
        _ if datum <= u64::from(u32::MAX) => Passed::ByValue,
        _ => Passed::Varlena,
    }
}

/// A walk over the list.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct Walk {
    header: Header,
    address: u64,
    count: u32,
    max: u32,
}

/// Records the bind values of the thread's call, from the `ParamListInfo` at `list`.
#[inline(always)]
pub(crate) fn record(thread: &mut Thread, target: &Target, layout: &PostgresLayout, list: u64) {
    let count = read::field::<u32>(list, layout.parameter_count).unwrap_or(0);
    if count == 0 {
        return;
    }
    // The entries begin at the next multiple of eight (`FLEXIBLE_ARRAY_MEMBER` of a struct of words).
    let address = list
        .wrapping_add(u64::from(layout.parameter_count))
        .wrapping_add(8);
    let len = u64::from(count) * ENTRY;
    // The compiler would compare the count where the length is meant, which the verifier does not
    // follow.
    // SAFETY: the local is read as it is.
    let len = unsafe { (&raw const len).read_volatile() };
    let parameters = Parameters {
        header: emit::header(kind::PARAMETERS, thread),
        form: parameter_form::POSTGRES,
        count,
        len,
    };
    let sent = emit::known(&parameters, address, len);
    if sent == Err(Failure::Full) {
        maps::dropped(drop_reason::RING_FULL_DETAIL);
    }
    if sent.is_err() {
        return;
    }
    thread.bound = Walk {
        header: emit::header(kind::VALUE, thread),
        address,
        count,
        max: target.parameter_max,
    };
    repeat(VALUES_MAX, step, &mut thread.bound);
}

/// One entry of the list; 1 ends the walk.
extern "C" fn step(index: u64, context: *mut Context<Walk>) -> i64 {
    // SAFETY: the helper hands back the context that `repeat` gave it, whose walk is a map value.
    let walk = unsafe { &mut *(*context).walk };
    if index >= u64::from(walk.count) {
        return 1;
    }
    let entry = walk.address.wrapping_add(index * ENTRY);
    let Some([datum, rest]) = read::value::<[u64; 2]>(entry) else {
        return 1;
    };
    let (is_null, oid) = (rest & 0xff != 0, (rest >> 32) as u32);
    if is_null {
        return 0;
    }
    let (address, len) = match passed(oid, datum) {
        Passed::ByValue => return 0,
        Passed::Fixed(len) => (datum, len),
        Passed::Terminated => (datum, NO_COUNT),
        Passed::Varlena => varlena(datum),
    };
    let mut value = Value {
        header: walk.header,
        index: index as u32,
        kind: oid,
        len,
    };
    let sent = if len == NO_COUNT && address != 0 {
        emit::unknown::<Value, 256>(&value, address, u64::from(walk.max), |value, len| {
            value.len = len;
        })
        .map(|_| ())
    } else if address == 0 {
        emit::bare(&value)
    } else {
        let wanted = if len < u64::from(walk.max) {
            len
        } else {
            u64::from(walk.max)
        };
        emit::known(&value, address, wanted).map(|_| ())
    };
    let sent = if sent == Err(Failure::Unreadable) {
        value.header.flags |= flag::UNREADABLE;
        emit::bare(&value)
    } else {
        sent
    };
    if sent.is_err() {
        maps::dropped(drop_reason::RING_FULL_DETAIL);
    }
    0
}

/// Where the bytes of a variable-length value are, and how many; address 0 when they are elsewhere or
/// compressed (`varatt.h`: the two lowest bits of the first byte tell).
#[inline(always)]
fn varlena(address: u64) -> (u64, u64) {
    let Some(first) = read::value::<u8>(address) else {
        return (0, NO_COUNT);
    };
    if first == 1 {
        return (0, NO_COUNT);
    }
    if first & 1 == 1 {
        return (address + 1, u64::from(first >> 1).wrapping_sub(1));
    }
    if first & 3 != 0 {
        return (0, NO_COUNT);
    }
    let header = read::value::<u32>(address).unwrap_or(0);
    (address + 4, u64::from(header >> 2).saturating_sub(4))
}
