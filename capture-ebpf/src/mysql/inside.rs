//! Statements inside statements: what stored programs and `EXECUTE` run.

use aya_ebpf::programs::{ProbeContext, RetProbeContext};
use capture_common::{
    ids::{drop_reason, flag, kind},
    record::{MESSAGE_MAX, NO_COUNT, SubBegin, SubEnd, outcome},
    target::ABSENT,
};

use crate::{
    emit::{self, Failure},
    maps, read, text, thread,
};

/// Most bytes of such a statement's text that are recorded.
const TEXT_MAX: u64 = 8192 - size_of::<SubBegin>() as u64;

/// Words of a record that holds an error message.
const MESSAGE_WORDS: usize = 256;

/// A statement begins; the outermost one is the command's own.
#[inline(always)]
pub(crate) fn begin(ctx: &ProbeContext) {
    let Some((_, target)) = read::target(ctx) else {
        return;
    };
    let Some(thread) = thread::find() else { return };
    thread.depth += 1;
    if thread.depth < 2 || thread.open == 0 {
        return;
    }
    let [address, len] =
        read::field::<[u64; 2]>(thread.thd, target.mysql.thd_query).unwrap_or([0, 0]);
    let mut begin = SubBegin {
        header: emit::header(kind::SUB_BEGIN, thread),
        text_len: len,
        depth: thread.depth - 1,
        location: -1,
        length: 0,
        reserved: 0,
    };
    let wanted = if len < TEXT_MAX { len } else { TEXT_MAX };
    if wanted < len {
        begin.header.flags = flag::CUT;
    }
    let mut sent = emit::known(&begin, address, wanted);
    if sent == Err(Failure::Unreadable) {
        text::touch(address, wanted);
        sent = emit::known(&begin, address, wanted);
    }
    if sent == Err(Failure::Unreadable) {
        maps::dropped(drop_reason::UNREADABLE);
        sent = emit::bare(&begin).map(|()| 0);
    }
    if sent.is_err() {
        maps::dropped(drop_reason::RING_FULL_DETAIL);
    }
}

/// It ended.
#[inline(always)]
pub(crate) fn end(ctx: &RetProbeContext) {
    let Some((_, target)) = read::target(ctx) else {
        return;
    };
    let Some(thread) = thread::find() else { return };
    let depth = thread.depth;
    thread.depth = depth.saturating_sub(1);
    if depth < 2 || thread.open == 0 {
        return;
    }
    let layout = &target.mysql;
    let area = read::field::<u64>(thread.thd, layout.thd_diagnostics).unwrap_or(0);
    let status = read::field::<u32>(area, layout.diagnostics_status).unwrap_or(0);
    let mut end = SubEnd {
        header: emit::header(kind::SUB_END, thread),
        depth: depth - 1,
        outcome: outcome::NONE,
        code: 0,
        reserved: 0,
        sqlstate: [0; 8],
        rows: NO_COUNT,
        rows_sent: NO_COUNT,
    };
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
    } else if status == layout.status_ok {
        end.outcome = outcome::OK;
        end.rows = read::field(area, layout.diagnostics_affected).unwrap_or(NO_COUNT);
    } else if status == layout.status_eof {
        end.outcome = outcome::RESULT_SET;
        end.rows_sent = read::field(thread.thd, layout.thd_sent_rows).unwrap_or(NO_COUNT);
    }
    report(&end, message);
}

#[inline(always)]
fn report(end: &SubEnd, message: u64) {
    let mut sent = Err(Failure::Unreadable);
    if message != 0 {
        sent = emit::unknown::<SubEnd, MESSAGE_WORDS>(end, message, MESSAGE_MAX as u64, |_, _| {})
            .map(|_| ());
    }
    if sent == Err(Failure::Unreadable) {
        sent = emit::bare(end);
    }
    if sent.is_err() {
        maps::dropped(drop_reason::RING_FULL_DETAIL);
    }
}
