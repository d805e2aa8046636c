//! Prepared statements and the values that are bound to them.
//!
//! MariaDB takes values out of the client's packet one by one, so the packet itself is recorded. MySQL
//! has split it before: an array says of what type each value is and where it stands.

use core::ffi::c_void;

use aya_ebpf::{helpers::generated::bpf_loop, programs::ProbeContext};
use capture_common::{
    ids::{drop_reason, engine, feature, flag, hook, kind, parameter_form},
    record::{Parameters, Prepared, Value},
    target::Target,
};

use super::{Command, command};
use crate::{
    emit::{self, Failure, Fixed},
    maps, read, text,
    thread::{self, Thread},
};

/// `COM_STMT_EXECUTE_DATA` (MySQL, include/mysql/com_data.h): where its parts stand.
mod execute_data {
    pub(super) const OPEN_CURSOR: u64 = 8;
    pub(super) const PARAMETERS: u64 = 0x10;
    pub(super) const COUNT: u64 = 0x18;
}

/// `COM_STMT_SEND_LONG_DATA_DATA` (MySQL, include/mysql/com_data.h): where its parts stand.
mod long_data {
    pub(super) const PARAMETER: u64 = 8;
    pub(super) const DATA: u64 = 0x10;
    pub(super) const LENGTH: u64 = 0x18;
}

/// `PS_PARAM` (MySQL, include/mysql/com_data.h), as eight-byte words.
const PARAM_WORDS: usize = 6;
const PARAM_BYTES: u64 = 8 * PARAM_WORDS as u64;

/// Most values of one execution: the protocol counts them in 16 bits.
const VALUES_MAX: u64 = 65_535;

/// A statement is prepared: its number is known, and its text is that of the running command.
#[inline(always)]
pub(crate) fn prepared(ctx: &ProbeContext) {
    let Some(hit) = read::hit(ctx, hook::MY_PREPARED) else {
        return;
    };
    let Some(thread) = thread::find() else { return };
    // `PREPARE` in a text comes here too, but is executed by its name.
    if thread.open == 0 || thread.source != command::STMT_PREPARE {
        return;
    }
    let [one, two, ..] = read::arguments_1_to_4(ctx);
    let statement = if hit.target.engine == engine::MARIADB {
        two
    } else {
        one
    };
    if let Some(id) = read::field::<u32>(statement, hit.target.mysql.statement_id) {
        state(thread, id, 0);
    }
}

#[inline(always)]
fn state(thread: &Thread, statement: u32, flags: u16) {
    let mut record = Prepared {
        header: emit::header(kind::PREPARED, thread),
        statement,
        reserved: 0,
    };
    record.header.flags = flags;
    if emit::bare(&record).is_err() {
        maps::dropped(drop_reason::RING_FULL_DETAIL);
    }
}

/// Number of the statement that the command is about.
#[inline(always)]
pub(super) fn statement(engine: u32, command: &Command) -> u32 {
    let at = if engine == engine::MARIADB {
        command.packet
    } else {
        command.data
    };
    read::value(at).unwrap_or(0)
}

/// Whether the execution asks for a cursor: 1, else 0. It is the first bit of the packet's flags
/// (`CURSOR_TYPE_READ_ONLY`), of which MySQL keeps but that one.
#[inline(always)]
pub(super) fn cursor(engine: u32, command: &Command) -> u32 {
    let at = if engine == engine::MARIADB {
        command.packet + 4
    } else {
        command.data + execute_data::OPEN_CURSOR
    };
    u32::from(read::value::<u8>(at).unwrap_or(0) & 1)
}

/// A command that has no row, but is about a prepared statement.
#[inline(always)]
pub(super) fn unrecorded(target: &Target, thread: &Thread, number: u32, command: &Command) {
    let id = statement(target.engine, command);
    if number == command::STMT_CLOSE {
        state(thread, id, flag::CLOSED);
        return;
    }
    if target.features & feature::PARAMETERS == 0 {
        return;
    }
    let mut parameters = fixed(thread, parameter_form::LONG_DATA);
    parameters.count = id;
    if number == command::STMT_RESET {
        parameters.header.flags = flag::CLOSED;
    }
    if emit::bare(&parameters).is_err() {
        maps::dropped(drop_reason::RING_FULL_DETAIL);
        return;
    }
    if number == command::STMT_RESET {
        return;
    }
    let (index, address, len) = if target.engine == engine::MARIADB {
        let index = read::value::<u16>(command.packet + 4).unwrap_or(0);
        (
            u32::from(index),
            command.packet + 6,
            command.len.saturating_sub(6),
        )
    } else {
        let word = |offset| read::value::<u64>(command.data + offset).unwrap_or(0);
        (
            word(long_data::PARAMETER) as u32,
            word(long_data::DATA),
            word(long_data::LENGTH),
        )
    };
    let value = Value {
        header: emit::header(kind::VALUE, thread),
        index,
        kind: 0,
        len,
    };
    let max = u64::from(target.parameter_max);
    record(&value, address, if len < max { len } else { max });
}

#[inline(always)]
fn fixed(thread: &Thread, form: u32) -> Parameters {
    Parameters {
        header: emit::header(kind::PARAMETERS, thread),
        form,
        count: 0,
        len: 0,
    }
}

/// The values of an execution that has begun.
#[inline(always)]
pub(super) fn bound(target: &Target, thread: &Thread, command: &Command) {
    if target.engine == engine::MARIADB {
        let mut parameters = fixed(thread, parameter_form::PACKET);
        parameters.len = command.len;
        record(&parameters, command.packet, command.len);
        return;
    }
    let word = |offset| read::value::<u64>(command.data + offset).unwrap_or(0);
    let array = word(execute_data::PARAMETERS);
    let count = word(execute_data::COUNT);
    if count > VALUES_MAX {
        maps::dropped(drop_reason::UNREADABLE);
        return;
    }
    let mut parameters = fixed(thread, parameter_form::MYSQL);
    parameters.count = count as u32;
    parameters.len = count * PARAM_BYTES;
    // The compiler would compare `count` and copy `48 * count`; the verifier wants the length compared.
    if !record(&parameters, array, core::hint::black_box(parameters.len)) {
        return;
    }
    let mut walk = Walk {
        thread,
        array,
        max: u64::from(target.parameter_max),
    };
    // SAFETY: the callback has the form that the helper asks for, and `walk` outlives the call.
    unsafe {
        bpf_loop(
            count as u32,
            step as *mut c_void,
            (&raw mut walk).cast::<c_void>(),
            0,
        );
    }
}

/// A walk over MySQL's values.
#[repr(C)]
struct Walk {
    thread: *const Thread,
    array: u64,
    max: u64,
}

/// One value; 1 ends the walk.
extern "C" fn step(index: u64, walk: *mut Walk) -> i64 {
    // SAFETY: the helper hands back the pointer that `bound` gave it, whose thread is a map value.
    let (thread, array, max) = unsafe { (&*(*walk).thread, (*walk).array, (*walk).max) };
    let Some([null_and_type, _, address, len, ..]) =
        read::value::<[u64; PARAM_WORDS]>(array + index * PARAM_BYTES)
    else {
        return 1;
    };
    if null_and_type & 0xff != 0 || address == 0 || len == 0 {
        return 0;
    }
    let value = Value {
        header: emit::header(kind::VALUE, thread),
        index: index as u32,
        kind: (null_and_type >> 32) as u32,
        len,
    };
    i64::from(!record(&value, address, if len < max { len } else { max }))
}

/// A record with `len` bytes at `address`, or as many as it holds. Returns whether it is in the ring; a
/// loss is counted.
#[inline(always)]
fn record<F: Fixed>(fixed: &F, address: u64, len: u64) -> bool {
    let mut sent = emit::known(fixed, address, len);
    if sent == Err(Failure::Unreadable) {
        text::touch(address, len);
        sent = emit::known(fixed, address, len);
    }
    match sent {
        Ok(_) => return true,
        Err(Failure::Full) => maps::dropped(drop_reason::RING_FULL_DETAIL),
        Err(Failure::Unreadable) => maps::dropped(drop_reason::UNREADABLE),
    }
    false
}
