//! MariaDB and MySQL: `dispatch_command` begins a command, `log_slow_statement` ends it, or each
//! piece of its text, and an error packet ends it in any case.
//!
//! A command that runs no SQL reports no end of its own; the next command ends it. What runs SQL of
//! its own (`EXECUTE`, stored programs) reports ends from within: user space tells which counts.
//!
//! A thread runs one command at a time, also in a thread pool, so its entry is the command's.

pub(crate) mod inside;
pub(crate) mod tables;
pub(crate) mod values;

use aya_ebpf::programs::{ProbeContext, RetProbeContext};
use capture_common::{
    ids::{drop_reason, engine, feature, flag, hook, kind},
    record::{Begin, End, NO_COUNT, outcome},
    target::{ABSENT, MysqlLayout},
};

use crate::{
    emit, hash, maps, objects,
    read::{self, Hit},
    session::{self, Facts, Name},
    text::{self, Source},
    thread::{self, Thread},
};

/// Commands that are looked at here (`enum enum_server_command`, the same in MariaDB and MySQL).
mod command {
    pub(crate) const INIT_DB: u32 = 2;
    pub(crate) const QUERY: u32 = 3;
    pub(crate) const STMT_PREPARE: u32 = 22;
    pub(crate) const STMT_EXECUTE: u32 = 23;
    pub(crate) const STMT_SEND_LONG_DATA: u32 = 24;
    pub(crate) const STMT_CLOSE: u32 = 25;
    pub(crate) const STMT_RESET: u32 = 26;
    /// MariaDB: one statement, many rows of values.
    pub(crate) const STMT_BULK_EXECUTE: u32 = 250;
}

/// `DA_OK_BULK` and `DA_EOF_BULK` of MariaDB's `enum_diagnostics_status` (sql/sql_error.h): how
/// a statement with many rows of values ends. In MySQL the numbers mean something else.
const BULK_OK: u32 = 3;
const BULK_EOF: u32 = 4;

/// Whether a statement of MariaDB has the status `bulk`.
#[inline(always)]
fn is_bulk(hit: &Hit, status: u32, bulk: u32) -> bool {
    hit.target.engine == engine::MARIADB && status == bulk
}

/// The arguments of `dispatch_command`.
struct Command {
    number: u32,
    thd: u64,
    packet: u64,
    len: u64,
    /// `COM_DATA *` (MySQL), or 0.
    data: u64,
}

#[inline(always)]
fn arguments(ctx: &ProbeContext, engine: u32) -> Command {
    let arg = |n| ctx.arg::<u64>(n).unwrap_or(0);
    if engine == engine::MARIADB {
        return Command {
            number: arg(0) as u32,
            thd: arg(1),
            packet: arg(2),
            len: arg(3) & 0xffff_ffff,
            data: 0,
        };
    }
    // COM_DATA is a union whose first members are a pointer and a 32-bit length for every command
    // with a text.
    let data = arg(1);
    Command {
        number: arg(2) as u32,
        thd: arg(0),
        packet: read::value(data).unwrap_or(0),
        len: u64::from(read::value::<u32>(data + 8).unwrap_or(0)),
        data,
    }
}

#[inline(always)]
fn connection(layout: &MysqlLayout, thd: u64) -> u64 {
    if layout.thd_thread_id_size == 4 {
        u64::from(read::field::<u32>(thd, layout.thd_thread_id).unwrap_or(0))
    } else {
        read::field::<u64>(thd, layout.thd_thread_id).unwrap_or(0)
    }
}

/// Brings the identity in the thread's entry up to date.
#[inline(always)]
fn identify(hit: &Hit, thread: &mut Thread, thd: u64, id: u64) {
    let layout = &hit.target.mysql;
    let security = read::field::<u64>(thd, layout.thd_security).unwrap_or(0);
    let name = |offset| Name::terminated(read::field(security, offset).unwrap_or(0));
    let user = name(layout.security_user);
    let database = match read::field::<[u64; 2]>(thd, layout.thd_database) {
        Some([address, len]) => Name { address, len },
        None => Name::NONE,
    };
    // The user too: another thread of a pool may have served a change of user.
    let names = session::fold(session::fold(hash::SEED, user), database);
    if thread.session == id && thread.names == names && thread.target == hit.target_index {
        return;
    }
    thread.session = id;
    thread.target = hit.target_index;
    thread.names = 0;
    let facts = Facts {
        names: [
            user,
            database,
            Name::NONE,
            name(layout.security_host),
            name(layout.security_ip),
        ],
        remote: 0,
        peer_port: u32::from(read::field::<u16>(thd, layout.thd_peer_port).unwrap_or(0)),
    };
    if session::record(thread, &facts) {
        thread.names = names;
    }
}

/// A client has logged in.
#[inline(always)]
pub(crate) fn connect(ctx: &ProbeContext) {
    let Some(hit) = read::hit(ctx, hook::MY_CONNECT) else {
        return;
    };
    let thd = ctx.arg::<u64>(0).unwrap_or(0);
    let Some(thread) = thread::find_or_add() else {
        return;
    };
    thread.open = 0;
    identify(&hit, thread, thd, connection(&hit.target.mysql, thd));
    emit::header_only(kind::CONNECT, thread, drop_reason::RING_FULL_SESSION);
}

/// A session ends that had begun with a login.
#[inline(always)]
pub(crate) fn disconnect(ctx: &ProbeContext) {
    let Some(hit) = read::hit(ctx, hook::MY_DISCONNECT) else {
        return;
    };
    let thd = ctx.arg::<u64>(0).unwrap_or(0);
    let Some(thread) = thread::find_or_add() else {
        return;
    };
    identify(&hit, thread, thd, connection(&hit.target.mysql, thd));
    emit::header_only(kind::DISCONNECT, thread, drop_reason::RING_FULL_SESSION);
    // The thread goes on to serve others.
    thread.open = 0;
    thread.session = 0;
    thread.names = 0;
}

/// Who logs in is being found out: values of [`Thread::login`].
const LOGIN: u32 = 1;
const CHANGE_USER: u32 = 2;
/// It is known that none may, which the client is told next.
const REFUSED: u32 = 3;

/// A client logs in, or changes its user (MySQL).
#[inline(always)]
pub(crate) fn login(ctx: &ProbeContext) {
    let Some(thread) = thread::find_or_add() else {
        return;
    };
    if thread.open == 0 {
        thread.thd = ctx.arg::<u64>(0).unwrap_or(0);
        thread.login = LOGIN;
    } else {
        thread.login = CHANGE_USER;
    }
}

/// A client has logged in, or not (MySQL).
#[inline(always)]
pub(crate) fn logged_in(ctx: &RetProbeContext) {
    let Some((index, target)) = read::target(ctx) else {
        return;
    };
    let Some(thread) = thread::find() else {
        return;
    };
    let first = thread.login == LOGIN;
    let good = read::returned_zero(ctx);
    thread.login = if first && !good { REFUSED } else { 0 };
    if first && good {
        let hit = Hit {
            target_index: index,
            target,
            base: 0,
        };
        let thd = thread.thd;
        identify(&hit, thread, thd, connection(&target.mysql, thd));
        emit::header_only(kind::CONNECT, thread, drop_reason::RING_FULL_SESSION);
    }
}

/// A command begins.
#[inline(always)]
pub(crate) fn begin(ctx: &ProbeContext) {
    let Some(hit) = read::hit(ctx, hook::MY_DISPATCH) else {
        return;
    };
    let command = arguments(ctx, hit.target.engine);
    let number = command.number & 0xff;
    let layout = &hit.target.mysql;
    if layout.commands[(number / 64) as usize & 3] >> (number % 64) & 1 == 0 {
        if let Some(thread) = thread::find() {
            if thread.open == 1 {
                emit::header_only(kind::COMMAND_END, thread, drop_reason::RING_FULL_END);
            }
            thread.open = 0;
        }
        if matches!(
            number,
            command::STMT_SEND_LONG_DATA | command::STMT_CLOSE | command::STMT_RESET
        ) && let Some(thread) = thread::find_or_add()
        {
            identify(&hit, thread, command.thd, connection(layout, command.thd));
            values::unrecorded(hit.target, thread, number, &command);
        }
        return;
    }
    let Some(thread) = thread::find_or_add() else {
        return;
    };
    identify(&hit, thread, command.thd, connection(layout, command.thd));
    thread.call += 1;
    thread.thd = command.thd;
    thread.source = number;
    thread.stack = read::stack(ctx);
    thread.message_call = thread.call;
    thread.depth = 0;
    thread.row_depth = 0;
    thread.login = 0;
    thread.cursor = 0;
    objects::clear();

    let has_text = matches!(
        number,
        command::QUERY | command::STMT_PREPARE | command::INIT_DB
    );
    let executes = matches!(number, command::STMT_EXECUTE | command::STMT_BULK_EXECUTE);
    let prepared_id = if executes {
        values::statement(hit.target.engine, &command)
    } else {
        0
    };
    if number == command::STMT_EXECUTE {
        thread.cursor = values::cursor(hit.target.engine, &command);
    }
    let mut begin = Begin {
        header: emit::header(kind::BEGIN, thread),
        text_len: 0,
        statement_start: 0,
        row_limit: NO_COUNT,
        portal: 0,
        message_call: thread.call,
        command: number,
        location: -1,
        length: 0,
        prepared_id,
    };
    let recorded = if has_text {
        let max = hit.target.text_max;
        text::begin(
            &mut begin,
            thread,
            Source {
                address: command.packet,
                len: command.len,
                max,
            },
        )
    } else {
        begin.header.flags |= flag::LAST;
        text::without_text(&begin)
    };
    thread.open = u32::from(recorded);
    if executes && recorded && hit.target.features & feature::PARAMETERS != 0 {
        values::bound(hit.target, thread, &command);
    }
}

/// A statement, or a piece of a text, ended.
#[inline(always)]
pub(crate) fn end(ctx: &ProbeContext) {
    let Some(hit) = read::hit(ctx, hook::MY_STATEMENT_END) else {
        return;
    };
    let layout = &hit.target.mysql;
    let thd = ctx.arg::<u64>(0).unwrap_or(0);
    let nested = is_nested(ctx, &hit);
    let Some(thread) = thread::find() else {
        // It began before the probes were attached.
        if !nested {
            maps::dropped(drop_reason::NO_BEGIN);
        }
        return;
    };
    if thread.open == 0 || thread.thd != thd {
        return;
    }
    let [text, len] = read::field::<[u64; 2]>(thd, layout.thd_query).unwrap_or([0, 0]);
    let mut end = End {
        header: emit::header(kind::END, thread),
        outcome: outcome::NONE,
        code: 0,
        sqlstate: [0; 8],
        rows: NO_COUNT,
        rows_sent: NO_COUNT,
        tag: thread.stack.wrapping_sub(read::stack(ctx)) as u32,
        source: thread.source,
        piece_address: text,
        piece_len: len,
        message_call: thread.call,
        statement_start: 0,
    };
    if nested {
        end.header.flags |= flag::NESTED;
    } else {
        thread.open = 2;
    }
    if matches!(
        thread.source,
        command::STMT_EXECUTE | command::STMT_BULK_EXECUTE
    ) && text != 0
    {
        text::rest(
            thread,
            Source {
                address: text,
                len,
                max: hit.target.text_max,
            },
            0,
        );
    }
    objects::state_all(thread);
    let area = read::field::<u64>(thd, layout.thd_diagnostics).unwrap_or(0);
    let status = read::field::<u32>(area, layout.diagnostics_status).unwrap_or(0);
    let mut message = 0;
    if status == layout.status_error {
        end.outcome = outcome::ERROR;
        end.code = read::field(area, layout.diagnostics_errno).unwrap_or(0);
        if let Some(state) = read::field::<u64>(area, layout.diagnostics_sqlstate) {
            end.sqlstate = state.to_ne_bytes();
        }
        if area != 0 && layout.diagnostics_message != ABSENT {
            message = area + u64::from(layout.diagnostics_message);
        }
    } else if status == layout.status_ok || is_bulk(&hit, status, BULK_OK) {
        end.outcome = outcome::OK;
        end.rows = read::field(area, layout.diagnostics_affected).unwrap_or(NO_COUNT);
    } else if status == layout.status_eof || is_bulk(&hit, status, BULK_EOF) {
        end.outcome = outcome::RESULT_SET;
        end.rows_sent = read::field(thd, layout.thd_sent_rows).unwrap_or(NO_COUNT);
        // None of a cursor's rows were sent yet; those of one that the server did not open were.
        if thread.cursor == 1 && end.rows_sent == 0 {
            end.rows_sent = NO_COUNT;
        }
    }
    emit::report(&end, message, drop_reason::RING_FULL_END);
}

/// Whether the end is reported by something that the command runs: then it is not
/// `dispatch_command` that called `log_slow_statement`.
#[inline(always)]
fn is_nested(ctx: &ProbeContext, hit: &Hit) -> bool {
    let size = hit.target.mysql.dispatch_size;
    if size == ABSENT {
        return false;
    }
    let Some(caller) = read::value::<u64>(read::stack(ctx)) else {
        return false;
    };
    let start = hit
        .base
        .wrapping_add(hit.target.hook_address[hook::MY_DISPATCH]);
    caller.wrapping_sub(start) > u64::from(size)
}

/// An error is sent to the client: it ends the running command, and with none running it is a failed
/// login.
#[inline(always)]
pub(crate) fn error(ctx: &ProbeContext) {
    let Some(hit) = read::hit(ctx, hook::MY_SEND_ERROR) else {
        return;
    };
    let layout = &hit.target.mysql;
    let [one, two, three, four] = read::arguments_1_to_4(ctx);
    let Some(thread) = thread::find_or_add() else {
        return;
    };
    // MariaDB hands the THD over; MySQL does not, so only a command or login of this thread tells it.
    let (thd, code, message, sqlstate) = if hit.target.engine == engine::MARIADB {
        (one, two, three, four)
    } else {
        let busy = thread.open != 0 || thread.login != 0;
        let thd = if busy { thread.thd } else { 0 };
        (thd, one, two, three)
    };
    let id = if thd == 0 { 0 } else { connection(layout, thd) };
    let established = thd != 0
        && thread.session == id
        && thread.target == hit.target_index
        && !matches!(thread.login, LOGIN | REFUSED);
    let running = thread.open != 0 && thread.thd == thd && established;
    if !running {
        if thd == 0 {
            thread.restart(0, hit.target_index);
            thread.generation = thread.generation.wrapping_add(1);
        } else {
            identify(&hit, thread, thd, id);
        }
        thread.call += 1;
    }
    thread.open = 0;
    thread.login = 0;
    if running {
        objects::state_all(thread);
    }
    let what = if running { kind::END } else { kind::FAILURE };
    let mut end = End {
        header: emit::header(what, thread),
        outcome: outcome::ERROR,
        code: code as u32,
        sqlstate: read::value::<[u8; 8]>(sqlstate).unwrap_or([0; 8]),
        rows: NO_COUNT,
        rows_sent: NO_COUNT,
        tag: u32::MAX,
        source: thread.source,
        piece_address: 0,
        piece_len: 0,
        message_call: thread.call,
        statement_start: 0,
    };
    if !established {
        end.header.flags |= flag::LOGIN;
    }
    let lost = if running {
        drop_reason::RING_FULL_END
    } else {
        drop_reason::RING_FULL
    };
    emit::report(&end, message, lost);
}
