//! PostgreSQL: `PortalRun` begins a statement, `EndCommand` ends it, `EmitErrorReport` fails it.
//!
//! One backend process serves one session, and top-level portals run one after the other in it, so
//! the end belongs to the last beginning. Nested portals (cursors, `EXECUTE`) say that they are not
//! top-level.

use aya_ebpf::programs::ProbeContext;
use capture_common::{
    ids::{drop_reason, feature, flag, hook, kind},
    record::{Begin, End, NO_COUNT, outcome},
    target::{NO_ADDRESS, PostgresLayout},
};

use crate::{
    bound, emit, hash, maps, objects,
    read::{self, Hit},
    session::{self, Facts, Name},
    text::{self, Source},
    thread::{self, Thread},
};

/// `DestRemote`: the simple protocol (`CommandDest`, tcop/dest.h; the same in 12 to 18).
const DEST_REMOTE: u32 = 2;

/// `DestRemoteExecute`: a portal of the extended protocol.
const DEST_REMOTE_EXECUTE: u32 = 3;

/// Most bytes of a completion tag (`COMPLETION_TAG_BUFSIZE`, PostgreSQL 12).
const TAG_MAX: u64 = 64;

#[inline(always)]
fn global(hit: &Hit, address: u64) -> u64 {
    if address == NO_ADDRESS {
        return 0;
    }
    read::value(hit.base.wrapping_add(address)).unwrap_or(0)
}

/// The thread's entry with its identity up to date; `None` in processes that serve no client.
#[inline(always)]
pub(crate) fn session(hit: &Hit) -> Option<&'static mut Thread> {
    let layout = &hit.target.postgres;
    // An entry goes when its process ends, so one that has a session is of this very backend.
    let mut port = 0;
    let thread = match thread::find() {
        Some(thread) if thread.session != 0 && thread.target == hit.target_index => thread,
        _ => {
            port = global(hit, layout.my_proc_port);
            if port == 0 {
                return None;
            }
            let thread = thread::find_or_add()?;
            thread.restart(global(hit, layout.my_start_timestamp), hit.target_index);
            thread.cluster = cluster(hit);
            thread
        }
    };
    // The server tells when the name changes; one that does not is asked each time.
    let told = hit.target.hook_address[hook::PG_APPLICATION] != NO_ADDRESS;
    if told && thread.names != 0 {
        return Some(thread);
    }
    let application = Name::terminated(global(hit, layout.application_name));
    let names = session::fold(hash::SEED, application);
    if thread.names != names {
        if port == 0 {
            port = global(hit, layout.my_proc_port);
        }
        if record(thread, layout, port, application) {
            thread.names = names;
        }
    }
    Some(thread)
}

/// The application gets another name, which is there at the next statement.
#[inline(always)]
pub(crate) fn application() {
    if let Some(thread) = thread::find() {
        thread.names = 0;
    }
}

/// See `Thread::cluster`; 0 when not known, or when the backend is in no database yet.
#[inline(always)]
fn cluster(hit: &Hit) -> u64 {
    let layout = &hit.target.postgres;
    let postmaster = global(hit, layout.postmaster_pid) as u32;
    let database = global(hit, layout.my_database) as u32;
    u64::from(postmaster) << 32 | u64::from(database)
}

#[inline(always)]
fn record(thread: &mut Thread, layout: &PostgresLayout, port: u64, application: Name) -> bool {
    let name = |offset| Name::terminated(read::field(port, offset).unwrap_or(0));
    let remote = if layout.port_remote == capture_common::target::ABSENT {
        0
    } else {
        port + u64::from(layout.port_remote)
    };
    session::record(
        thread,
        &Facts {
            names: [
                name(layout.port_user),
                name(layout.port_database),
                application,
                Name::NONE,
                Name::NONE,
            ],
            remote,
            peer_port: 0,
        },
    )
}

/// A client has logged in.
#[inline(always)]
pub(crate) fn connect(ctx: &ProbeContext) {
    let Some(hit) = read::hit(ctx, hook::PG_CONNECT) else {
        return;
    };
    if let Some(thread) = session(&hit) {
        emit::header_only(kind::CONNECT, thread, drop_reason::RING_FULL_SESSION);
    }
}

/// Whether `text` is that of the last message: the same string in the same simple-protocol message.
#[inline(always)]
fn same_message(thread: &Thread, text: u64, statement_start: i64) -> bool {
    text != 0
        && thread.text == text
        && thread.statement_start == statement_start
        && statement_start != 0
        && thread.source == DEST_REMOTE
        && thread.open == 0
}

/// A statement begins.
#[inline(always)]
pub(crate) fn begin(ctx: &ProbeContext) {
    let Some(hit) = read::hit(ctx, hook::PG_PORTAL_RUN) else {
        return;
    };
    let top_level = ctx.arg::<u64>(2).unwrap_or(0) & 0xff;
    if top_level == 0 {
        return;
    }
    let Some(thread) = session(&hit) else { return };
    let layout = &hit.target.postgres;
    let portal = ctx.arg::<u64>(0).unwrap_or(0);
    let limit = ctx.arg::<u64>(1).unwrap_or(0);
    thread.portal.fill(portal);
    let text = thread.portal.word(layout.portal_text);
    let statement_start = global(&hit, layout.statement_start) as i64;
    // The simple protocol runs the very string that the client sent; a portal of the extended one
    // has a copy.
    let simple = text != 0 && text == global(&hit, layout.debug_query_string);
    let again = simple && same_message(thread, text, statement_start);
    thread.source = if simple {
        DEST_REMOTE
    } else {
        DEST_REMOTE_EXECUTE
    };
    // A portal of the extended protocol is the whole text.
    let (location, length) = if simple {
        piece(layout, thread.portal.word(layout.portal_statements))
    } else {
        (-1, 0)
    };
    if thread.open == 1 && hit.target.features & feature::OBJECTS != 0 {
        // A portal that stopped at its row limit: what it touched is not this one's.
        let own = thread.portal.word(layout.portal_query);
        let own = read::field::<u64>(own, layout.query_state).unwrap_or(0);
        objects::state_others(thread, own);
    }
    thread.call += 1;
    let mut begin = Begin {
        header: emit::header(kind::BEGIN, thread),
        text_len: NO_COUNT,
        statement_start,
        // FETCH_ALL is LONG_MAX, 0 means all as well.
        row_limit: if limit == 0 || limit >= i64::MAX as u64 {
            NO_COUNT
        } else {
            limit
        },
        portal,
        message_call: thread.message_call,
        command: thread.source,
        location,
        length,
        prepared_id: 0,
    };
    let recorded = if again {
        begin.header.flags |= flag::PIECE;
        text::without_text(&begin)
    } else {
        thread.message_call = thread.call;
        begin.message_call = thread.call;
        let max = hit.target.text_max;
        text::begin(
            &mut begin,
            thread,
            Source {
                address: text,
                len: NO_COUNT,
                max,
            },
        )
    };
    if recorded && hit.target.features & feature::PARAMETERS != 0 {
        let list = thread.portal.word(layout.portal_parameters);
        if list != 0 {
            bound::record(thread, hit.target, layout, list);
        }
    }
    thread.open = u32::from(recorded);
    thread.statement_start = statement_start;
    // When the record is lost, a further piece must bring the text again.
    thread.text = if recorded { text } else { 0 };
}

/// `stmt_location` and `stmt_len` of the first of a portal's statements, (-1, 0) when not known.
#[inline(always)]
fn piece(layout: &PostgresLayout, statements: u64) -> (i32, i32) {
    let cells = read::field::<u64>(statements, layout.list_elements).unwrap_or(0);
    let statement = if cells == 0 {
        0
    } else {
        read::value::<u64>(cells).unwrap_or(0)
    };
    match read::field::<u64>(statement, layout.statement_location) {
        Some(both) => (both as u32 as i32, (both >> 32) as u32 as i32),
        None => (-1, 0),
    }
}

/// States the tables that the call has touched.
#[inline(always)]
fn tables(hit: &Hit, thread: &Thread) {
    if hit.target.features & feature::OBJECTS != 0 {
        objects::state_all(thread);
    }
}

/// An outcome of the thread's current call.
#[inline(always)]
fn ended(thread: &Thread, what: u32) -> End {
    End {
        header: emit::header(kind::END, thread),
        outcome: what,
        code: 0,
        sqlstate: [0; 8],
        rows: NO_COUNT,
        rows_sent: NO_COUNT,
        tag: u32::MAX,
        source: thread.source,
        piece_address: 0,
        piece_len: 0,
        message_call: thread.message_call,
        statement_start: thread.statement_start,
    }
}

/// A statement ended well.
#[inline(always)]
pub(crate) fn end(ctx: &ProbeContext) {
    let Some(hit) = read::hit(ctx, hook::PG_END_COMMAND) else {
        return;
    };
    let Some(thread) = thread::find() else {
        // It began before the probes were attached.
        if global(&hit, hit.target.postgres.my_proc_port) != 0 {
            maps::dropped(drop_reason::NO_BEGIN);
        }
        return;
    };
    if thread.open == 0 {
        return;
    }
    thread.open = 0;
    tables(&hit, thread);
    let completion = ctx.arg::<u64>(0).unwrap_or(0);
    let mut end = ended(thread, outcome::OK);
    let sent = if hit.target.postgres.end_command_completion == 1 {
        // QueryCompletion: a tag of four bytes, padding, and eight bytes of rows.
        if let Some([tag, rows]) = read::value::<[u64; 2]>(completion) {
            end.tag = tag as u32;
            end.rows = rows;
        }
        emit::bare(&end)
    } else {
        emit::unknown::<End, 32>(&end, completion, TAG_MAX, |_, _| {}).map(|_| ())
    };
    if sent.is_err() {
        maps::dropped(drop_reason::RING_FULL_END);
    }
}

/// An error is reported, or a notice, which is passed over.
#[inline(always)]
pub(crate) fn error(ctx: &ProbeContext) {
    let Some(hit) = read::hit(ctx, hook::PG_EMIT_ERROR) else {
        return;
    };
    let layout = &hit.target.postgres;
    if layout.errordata == NO_ADDRESS || layout.errordata_depth == NO_ADDRESS {
        return;
    }
    let depth = read::value::<i32>(hit.base.wrapping_add(layout.errordata_depth)).unwrap_or(-1);
    if depth < 0 {
        return;
    }
    let data = hit
        .base
        .wrapping_add(layout.errordata)
        .wrapping_add(u64::from(depth as u32) * u64::from(layout.errordata_size));
    let level = read::value::<u32>(data).unwrap_or(0);
    if level < layout.error_level {
        return;
    }
    let known = thread::find().is_some();
    let Some(thread) = session(&hit) else { return };
    let what = if level == layout.error_level {
        outcome::ERROR
    } else {
        outcome::FATAL
    };
    let code = read::field::<u32>(data, layout.error_sqlstate).unwrap_or(0);
    let message = read::field::<u64>(data, layout.error_message).unwrap_or(0);

    // A portal that stopped at its row limit is still open when another message fails.
    let same = global(&hit, layout.statement_start) as i64 == thread.statement_start;
    if thread.open == 1 && same {
        thread.open = 0;
        tables(&hit, thread);
        let mut end = ended(thread, what);
        end.code = code;
        thread.text = 0;
        emit::report(&end, message, drop_reason::RING_FULL_END);
    } else {
        thread.open = 0;
        outcome_without_begin(&hit, thread, what, code, message, known);
    }
}

/// An empty statement.
#[inline(always)]
pub(crate) fn empty(ctx: &ProbeContext) {
    let Some(hit) = read::hit(ctx, hook::PG_NULL_COMMAND) else {
        return;
    };
    let Some(thread) = session(&hit) else { return };
    thread.source = ctx.arg::<u64>(0).unwrap_or(0) as u32;
    outcome_without_begin(&hit, thread, outcome::EMPTY, 0, 0, true);
}

#[inline(always)]
fn outcome_without_begin(
    hit: &Hit,
    thread: &mut Thread,
    what: u32,
    code: u32,
    message: u64,
    known: bool,
) {
    let layout = &hit.target.postgres;
    let text = global(hit, layout.debug_query_string);
    let statement_start = global(hit, layout.statement_start) as i64;
    let again = same_message(thread, text, statement_start);
    thread.call += 1;
    thread.statement_start = statement_start;
    if !again {
        thread.message_call = thread.call;
        thread.source = if what == outcome::EMPTY {
            thread.source
        } else {
            0
        };
    }
    tables(hit, thread);
    let mut end = ended(thread, what);
    end.header.kind = kind::FAILURE;
    end.code = code;
    if again {
        end.header.flags |= flag::PIECE;
    } else if text != 0 {
        text::rest(
            thread,
            Source {
                address: text,
                len: NO_COUNT,
                max: hit.target.text_max,
            },
            0,
        );
    } else if !known && what == outcome::FATAL {
        end.header.flags |= flag::LOGIN;
    }
    thread.text = 0;
    emit::report(&end, message, drop_reason::RING_FULL);
}
