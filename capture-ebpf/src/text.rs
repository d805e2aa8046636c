//! The text of a statement, of any length, in as many records as it takes.
//!
//! Text is read without sleeping first. Where a page is not in memory, it is faulted in (which may
//! sleep, with no reservation held) and the text is read once more.

use core::ffi::c_void;

use aya_ebpf::helpers::generated::{bpf_copy_from_user, bpf_loop};
use capture_common::{
    ids::{drop_reason, flag, kind},
    record::{Begin, NO_COUNT, Text},
};

use crate::{
    emit::{self, Failure},
    maps, read,
    thread::Thread,
};

/// Where a text is.
#[derive(Clone, Copy)]
pub(crate) struct Source {
    /// Its address in the server.
    pub(crate) address: u64,
    /// Its length in bytes; [`NO_COUNT`] when a NUL ends it.
    pub(crate) len: u64,
    /// How much of it is recorded.
    pub(crate) max: u32,
}

impl Source {
    #[inline(always)]
    fn capped(&self) -> u64 {
        let max = u64::from(self.max);
        if self.len < max { self.len } else { max }
    }

    #[inline(always)]
    fn last(&self) -> u16 {
        if self.len > u64::from(self.max) {
            flag::LAST | flag::CUT
        } else {
            flag::LAST
        }
    }
}

/// Bytes of text that the record of a short NUL-terminated statement has room for come from this class.
const FIRST_WORDS: usize = 64;

/// Page size of x86-64.
const PAGE: u64 = 4096;

/// Records the beginning of a statement with its text. Returns whether it is on record.
#[inline(always)]
pub(crate) fn begin(begin: &mut Begin, thread: &mut Thread, source: Source) -> bool {
    begin.text_len = source.len;
    let mut sent = first(begin, source);
    if sent == Err(Failure::Unreadable) {
        touch(source.address, source.capped());
        sent = first(begin, source);
    }
    match sent {
        Ok((_, true)) => true,
        Ok((len, false)) => {
            rest(thread, source, len);
            true
        }
        Err(Failure::Full) => {
            maps::dropped(drop_reason::RING_FULL);
            false
        }
        Err(Failure::Unreadable) => {
            maps::dropped(drop_reason::UNREADABLE);
            begin.header.flags |= flag::LAST | flag::UNREADABLE;
            without_text(begin)
        }
    }
}

/// Records the beginning of a statement whose text is elsewhere. Returns whether it is on record.
#[inline(always)]
pub(crate) fn without_text(begin: &Begin) -> bool {
    let sent = emit::bare(begin).is_ok();
    if !sent {
        maps::dropped(drop_reason::RING_FULL);
    }
    sent
}

/// `BEGIN` with the first bytes: how many, and whether they are all that is wanted.
#[inline(always)]
fn first(begin: &mut Begin, source: Source) -> Result<(u64, bool), Failure> {
    if source.len == NO_COUNT {
        return emit::unknown::<Begin, FIRST_WORDS>(
            begin,
            source.address,
            u64::from(source.max),
            |begin, len| {
                begin.text_len = len;
                begin.header.flags |= flag::LAST;
            },
        );
    }
    let wanted = source.capped();
    let all = wanted <= emit::room::<Begin>(emit::LARGEST);
    begin.header.flags |= if all { source.last() } else { flag::MORE };
    emit::known(begin, source.address, wanted).map(|len| (len, all))
}

const RUNNING: u32 = 0;
const DONE: u32 = 1;
const FULL: u32 = 2;
const FAULT: u32 = 3;
const CUT: u32 = 4;

/// A walk over a text.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct Walk {
    /// The record to make; its offset is how far the walk has come.
    text: Text,
    source: Source,
    state: u32,
    padding: u32,
}

/// What a loop's callback is handed.
#[repr(C)]
pub(crate) struct Context<W> {
    /// Where the walk's state is: a map value.
    pub(crate) walk: *mut W,
}

/// Calls `callback` at most `times` times, until it gives 1.
#[inline(always)]
pub(crate) fn repeat<W>(
    times: u32,
    callback: extern "C" fn(u64, *mut Context<W>) -> i64,
    walk: &mut W,
) {
    let mut context = Context { walk };
    // SAFETY: the callback has the form that the helper asks for, and the context outlives the call.
    unsafe {
        bpf_loop(
            times,
            callback as *mut c_void,
            (&raw mut context).cast::<c_void>(),
            0,
        );
    }
}

/// Records the text from `offset` on in `TEXT` records of the thread's call.
#[inline(always)]
pub(crate) fn rest(thread: &mut Thread, source: Source, offset: u64) {
    let header = emit::header(kind::TEXT, thread);
    let walk = &mut thread.walk;
    walk.text = Text {
        header,
        offset,
        text_len: source.len,
    };
    walk.source = source;
    run(walk);
    if walk.state == FAULT {
        touch(
            source.address + walk.text.offset,
            source.capped() - walk.text.offset,
        );
        run(walk);
    }
    match walk.state {
        DONE => {}
        CUT => {
            let total = length(walk);
            walk.text.text_len = total;
            walk.text.header.flags = if total > u64::from(source.max) {
                flag::LAST | flag::CUT
            } else {
                flag::LAST
            };
            finish(walk);
        }
        FAULT => {
            maps::dropped(drop_reason::UNREADABLE);
            walk.text.header.flags = flag::LAST | flag::UNREADABLE;
            finish(walk);
        }
        _ => maps::dropped(drop_reason::RING_FULL_TEXT),
    }
}

/// A last `TEXT` record without bytes.
#[inline(always)]
fn finish(walk: &Walk) {
    if emit::bare(&walk.text).is_err() {
        maps::dropped(drop_reason::RING_FULL_TEXT);
    }
}

#[inline(always)]
fn run(walk: &mut Walk) {
    // The first records are small, so that a text of some KiB does not take 64 KiB of the ring; with
    // 64 KiB each from then on, this is far more than any configured maximum needs.
    walk.state = RUNNING;
    repeat(1 << 12, step, walk);
}

/// One record of a text; 1 ends the walk.
extern "C" fn step(index: u64, context: *mut Context<Walk>) -> i64 {
    // SAFETY: the helper hands back the context that `repeat` gave it, whose walk is a map value.
    let walk = unsafe { &mut *(*context).walk };
    let sent = if walk.source.len == NO_COUNT {
        step_unknown(index, walk)
    } else {
        step_known(walk)
    };
    let state = match sent {
        Ok(state) => state,
        Err(Failure::Full) => FULL,
        Err(Failure::Unreadable) => FAULT,
    };
    walk.state = state;
    i64::from(state != RUNNING)
}

#[inline(always)]
fn step_known(walk: &mut Walk) -> Result<u32, Failure> {
    let wanted = walk.source.capped().wrapping_sub(walk.text.offset);
    let all = wanted <= emit::room::<Text>(emit::LARGEST);
    walk.text.header.flags = if all { walk.source.last() } else { flag::MORE };
    let sent = emit::known(&walk.text, walk.source.address + walk.text.offset, wanted)?;
    walk.text.offset += sent;
    Ok(if all { DONE } else { RUNNING })
}

#[inline(always)]
fn step_unknown(index: u64, walk: &mut Walk) -> Result<u32, Failure> {
    let limit = u64::from(walk.source.max).wrapping_sub(walk.text.offset);
    let address = walk.source.address + walk.text.offset;
    let offset = walk.text.offset;
    walk.text.header.flags = flag::MORE;
    let ended = |text: &mut Text, len: u64| {
        text.text_len = offset + len;
        text.header.flags = flag::LAST;
    };
    let (len, end) = match index {
        0 => emit::unknown::<Text, 256>(&walk.text, address, limit, ended),
        1 => emit::unknown::<Text, 1024>(&walk.text, address, limit, ended),
        2 => emit::unknown::<Text, 4096>(&walk.text, address, limit, ended),
        _ => emit::unknown::<Text, { emit::LARGEST }>(&walk.text, address, limit, ended),
    }?;
    walk.text.offset += len;
    Ok(if end {
        DONE
    } else if len >= limit {
        CUT
    } else {
        RUNNING
    })
}

/// Length of the NUL-terminated text, which goes on behind the walk's offset; [`NO_COUNT`] when its
/// end cannot be read.
#[inline(always)]
fn length(walk: &mut Walk) -> u64 {
    // 262,144 times 4,095 bytes: more than the 1 GiB that PostgreSQL accepts.
    walk.state = RUNNING;
    repeat(1 << 18, scan_step, walk);
    if walk.state == DONE {
        walk.text.offset
    } else {
        NO_COUNT
    }
}

extern "C" fn scan_step(_index: u64, context: *mut Context<Walk>) -> i64 {
    // SAFETY: the helper hands back the context that `repeat` gave it, whose walk is a map value.
    let walk = unsafe { &mut *(*context).walk };
    let Some(scratch) = maps::SCRATCH.get_ptr_mut(0) else {
        return 1;
    };
    let address = walk.source.address + walk.text.offset;
    // SAFETY: the scratch element is SCRATCH_LEN bytes long; what others write there is never looked at.
    let written = unsafe { read::string(scratch.cast::<u8>(), maps::SCRATCH_LEN as u32, address) };
    if written <= 0 {
        return 1;
    }
    walk.text.offset += (written - 1) as u64;
    if written < maps::SCRATCH_LEN as i64 {
        walk.state = DONE;
        return 1;
    }
    0
}

/// Where to fault pages in.
#[repr(C)]
struct Touch {
    address: u64,
}

/// Faults in the pages of `len` bytes at `address`; may sleep.
#[inline(always)]
pub(crate) fn touch(address: u64, len: u64) {
    let pages = (len / PAGE + 2) as u32;
    let mut touch = Touch { address };
    // SAFETY: the callback has the form that the helper asks for, and `touch` outlives the call.
    unsafe {
        bpf_loop(
            pages,
            touch_step as *mut c_void,
            (&raw mut touch).cast::<c_void>(),
            0,
        );
    }
}

extern "C" fn touch_step(index: u64, touch: *mut Touch) -> i64 {
    let mut byte = 0u8;
    // SAFETY: the helper hands back the pointer that `touch` gave it; the target is a local byte.
    let result = unsafe {
        let address = (*touch).address + index * PAGE;
        bpf_copy_from_user(
            (&raw mut byte).cast::<c_void>(),
            1,
            address as *const c_void,
        )
    };
    i64::from(result != 0)
}
