//! Bounded reads of the server's memory that do not sleep.

use core::ffi::c_void;

use aya_ebpf::{
    EbpfContext,
    helpers::generated::{bpf_get_attach_cookie, bpf_probe_read_user, bpf_probe_read_user_str},
    programs::ProbeContext,
};
use capture_common::{
    ids::drop_reason,
    target::{ABSENT, Target},
};

use crate::maps;

/// Reads a plain value at `address`; `None` when the memory is not there.
#[inline(always)]
pub(crate) fn value<T: Copy + Default>(address: u64) -> Option<T> {
    let mut out = T::default();
    // SAFETY: `out` is a local of exactly the size that is given; the source is checked by the helper.
    let result = unsafe {
        bpf_probe_read_user(
            (&raw mut out).cast::<c_void>(),
            size_of::<T>() as u32,
            address as *const c_void,
        )
    };
    (result == 0).then_some(out)
}

/// Reads the field at `offset` of the struct at `base`; `None` when either is not known.
#[inline(always)]
pub(crate) fn field<T: Copy + Default>(base: u64, offset: u32) -> Option<T> {
    if base == 0 || offset == ABSENT {
        return None;
    }
    value(base.wrapping_add(u64::from(offset)))
}

/// Copies the NUL-terminated string at `address` to `to`, which has room for `room` bytes.
/// Returns how many bytes were written, the NUL included, or a negative number.
///
/// # Safety
///
/// `to` must be valid for `room` bytes.
#[inline(always)]
pub(crate) unsafe fn string(to: *mut u8, room: u32, address: u64) -> i64 {
    // SAFETY: the caller vouches for `to` and `room`.
    unsafe { bpf_probe_read_user_str(to.cast::<c_void>(), room, address as *const c_void) }
}

/// Copies `len` bytes at `address` to `to`. Returns whether all could be read.
///
/// # Safety
///
/// `to` must be valid for `len` bytes.
#[inline(always)]
pub(crate) unsafe fn bytes(to: *mut u8, len: u32, address: u64) -> bool {
    // SAFETY: the caller vouches for `to` and `len`.
    unsafe { bpf_probe_read_user(to.cast::<c_void>(), len, address as *const c_void) == 0 }
}

/// A probe hit: which binary it belongs to and where that is loaded.
pub(crate) struct Hit {
    /// Index in the `TARGETS` map.
    pub(crate) target_index: u32,
    /// What is known about the binary.
    pub(crate) target: &'static Target,
    /// Load base of the binary in this process.
    pub(crate) base: u64,
}

/// Finds out which binary's probe `hook` was hit.
#[inline(always)]
pub(crate) fn hit(ctx: &ProbeContext, hook: usize) -> Option<Hit> {
    // SAFETY: the context is the one that the kernel handed to this program.
    let cookie = unsafe { bpf_get_attach_cookie(ctx.as_ptr()) } as u32;
    let Some(target) = maps::TARGETS.get(cookie) else {
        maps::dropped(drop_reason::NO_TARGET);
        return None;
    };
    // SAFETY: `regs` is the context itself, valid for the whole run of the program.
    let address = unsafe { (*ctx.regs).rip };
    Some(Hit {
        target_index: cookie,
        target,
        base: address.wrapping_sub(target.hook_address[hook]),
    })
}

/// The stack pointer where the probe hit.
#[inline(always)]
pub(crate) fn stack(ctx: &ProbeContext) -> u64 {
    // SAFETY: `regs` is the context itself, valid for the whole run of the program.
    unsafe { (*ctx.regs).rsp }
}

/// The second to fifth argument.
#[inline(always)]
pub(crate) fn arguments_1_to_4(ctx: &ProbeContext) -> [u64; 4] {
    // The verifier wants each register read at an offset of its own; volatile reads keep the compiler
    // from making one read at a computed offset of two.
    // SAFETY: `regs` is the context itself, valid for the whole run of the program.
    unsafe {
        [
            (&raw const (*ctx.regs).rsi).read_volatile(),
            (&raw const (*ctx.regs).rdx).read_volatile(),
            (&raw const (*ctx.regs).rcx).read_volatile(),
            (&raw const (*ctx.regs).r8).read_volatile(),
        ]
    }
}
