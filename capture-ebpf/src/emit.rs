//! Records into the ring: reserve, fill, submit; what cannot be reserved is reported to the caller,
//! who counts it. Nothing here sleeps, so no reservation is ever held over a page fault.

use core::ptr;

use aya_ebpf::{
    bindings::BPF_RB_NO_WAKEUP, helpers::bpf_get_current_pid_tgid,
    helpers::generated::bpf_ktime_get_boot_ns,
};
use capture_common::record::{
    Begin, End, Header, MESSAGE_MAX, Parameters, Prepared, SubBegin, SubEnd, Text, Value,
};

use crate::{
    maps::{self, RING, wake},
    read,
    thread::Thread,
};

/// Why a record was not made.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The ring has no room.
    Full,
    /// The server's memory could not be read.
    Unreadable,
}

/// The fixed part of a record.
pub(crate) trait Fixed: Copy {
    /// Its common part.
    fn header(&mut self) -> &mut Header;
}

macro_rules! fixed {
    ($($name:ty),*) => {
        $(impl Fixed for $name {
            #[inline(always)]
            fn header(&mut self) -> &mut Header {
                &mut self.header
            }
        })*
    };
}
fixed!(
    Begin, Text, End, Parameters, Value, SubBegin, SubEnd, Prepared
);

/// Header of a record of the running thread.
#[inline(always)]
pub(crate) fn header(kind: u16, thread: &Thread) -> Header {
    Header {
        kind,
        flags: 0,
        target: thread.target,
        pid_tgid: bpf_get_current_pid_tgid(),
        session: thread.session,
        // SAFETY: the helper takes nothing and always succeeds.
        time_ns: unsafe { bpf_ktime_get_boot_ns() },
        call: thread.call,
        generation: thread.generation,
        data_len: 0,
    }
}

/// A record that is a header alone; a loss is counted as `reason`.
#[inline(always)]
pub(crate) fn header_only(kind: u16, thread: &Thread, reason: u32) {
    if let Some(mut entry) = RING.reserve::<Header>(0) {
        entry.write(header(kind, thread));
        entry.submit(wake());
    } else {
        maps::dropped(reason);
    }
}

/// Most data bytes that one record can carry behind `F`.
#[inline(always)]
pub(crate) const fn room<F>(words: usize) -> u64 {
    (words * 8 - size_of::<F>()) as u64
}

/// Words of the largest size class.
pub(crate) const LARGEST: usize = 8192;

/// Copies `len` known bytes at `address` behind `fixed`, in the smallest class that holds them (or as
/// many as the largest holds). Returns how many were copied.
#[inline(always)]
pub(crate) fn known<F: Fixed>(fixed: &F, address: u64, len: u64) -> Result<u64, Failure> {
    if len <= room::<F>(32) {
        class::<F, 32>(fixed, address, len)
    } else if len <= room::<F>(64) {
        class::<F, 64>(fixed, address, len)
    } else if len <= room::<F>(256) {
        class::<F, 256>(fixed, address, len)
    } else if len <= room::<F>(1024) {
        class::<F, 1024>(fixed, address, len)
    } else if len <= room::<F>(4096) {
        class::<F, 4096>(fixed, address, len)
    } else {
        class::<F, LARGEST>(fixed, address, len)
    }
}

#[inline(always)]
fn class<F: Fixed, const WORDS: usize>(fixed: &F, address: u64, len: u64) -> Result<u64, Failure> {
    let Some(mut entry) = RING.reserve::<[u64; WORDS]>(0) else {
        return Err(Failure::Full);
    };
    let start = entry.as_mut_ptr().cast::<u8>();
    let room = room::<F>(WORDS);
    let len = if len < room { len } else { room };
    // SAFETY: the reservation has `room` bytes behind the fixed part, and `len` is at most that.
    let read = len == 0 || unsafe { read::bytes(start.add(size_of::<F>()), len as u32, address) };
    if !read {
        entry.discard(u64::from(BPF_RB_NO_WAKEUP));
        return Err(Failure::Unreadable);
    }
    // SAFETY: the reservation is larger than `F` and aligned to eight bytes, as all of `F` need.
    unsafe { write(start, fixed, len as u32) };
    entry.submit(wake());
    Ok(len)
}

/// Copies at most `limit` bytes of the NUL-terminated string at `address` behind `fixed`.
/// Returns how many were copied and whether the string ended there; then `ended` is set on the record.
#[inline(always)]
pub(crate) fn unknown<F: Fixed, const WORDS: usize>(
    fixed: &F,
    address: u64,
    limit: u64,
    ended: impl Fn(&mut F, u64),
) -> Result<(u64, bool), Failure> {
    let Some(mut entry) = RING.reserve::<[u64; WORDS]>(0) else {
        return Err(Failure::Full);
    };
    let start = entry.as_mut_ptr().cast::<u8>();
    let room = room::<F>(WORDS);
    // The helper writes a NUL of its own.
    let size = if limit + 1 < room { limit + 1 } else { room };
    // SAFETY: the reservation has `room` bytes behind the fixed part, and `size` is at most that.
    let written = unsafe { read::string(start.add(size_of::<F>()), size as u32, address) };
    if written <= 0 {
        entry.discard(u64::from(BPF_RB_NO_WAKEUP));
        return Err(Failure::Unreadable);
    }
    let len = (written - 1) as u64;
    let end = (written as u64) < size;
    // SAFETY: the reservation is larger than `F` and aligned to eight bytes, as all of `F` need.
    unsafe {
        write(start, fixed, len as u32);
        if end {
            ended(&mut *start.cast::<F>(), len);
        }
    }
    entry.submit(wake());
    Ok((len, end))
}

/// Writes the fixed part and the data length.
///
/// # Safety
///
/// `start` must be valid for writing an `F`.
#[inline(always)]
unsafe fn write<F: Fixed>(start: *mut u8, fixed: &F, data_len: u32) {
    let to = start.cast::<F>();
    // SAFETY: the caller vouches for `start`.
    unsafe {
        ptr::write(to, *fixed);
        (*to).header().data_len = data_len;
    }
}

/// A record without data, in no more room than it takes.
#[inline(always)]
pub(crate) fn bare<F: Fixed + 'static>(fixed: &F) -> Result<(), Failure> {
    let Some(mut entry) = RING.reserve::<F>(0) else {
        return Err(Failure::Full);
    };
    entry.write(*fixed);
    entry.submit(wake());
    Ok(())
}

/// An outcome with the NUL-terminated message at `message`, 0 for none; a loss is counted as `reason`.
#[inline(always)]
pub(crate) fn report(end: &End, message: u64, reason: u32) {
    let mut sent = Err(Failure::Unreadable);
    if message != 0 {
        sent = unknown::<End, 256>(end, message, MESSAGE_MAX as u64, |_, _| {}).map(|_| ());
    }
    if sent == Err(Failure::Unreadable) {
        sent = bare(end);
    }
    if sent.is_err() {
        maps::dropped(reason);
    }
}
