//! Bounded reads of the server's memory that do not sleep.

use core::ffi::c_void;

use aya_ebpf::{
    EbpfContext,
    helpers::{
        bpf_get_current_pid_tgid, bpf_get_current_uid_gid,
        generated::{bpf_get_attach_cookie, bpf_probe_read_user, bpf_probe_read_user_str},
    },
    maps::HashMap,
    programs::{ProbeContext, RetProbeContext},
};
use capture_common::{
    ids::{drop_reason, feature, pass},
    target::{ABSENT, NO_ADDRESS, Target},
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

/// Whether the function returned 0 in the lower half of its register.
#[inline(always)]
pub(crate) fn returned_zero(ctx: &RetProbeContext) -> bool {
    // SAFETY: `regs` is the context itself, valid for the whole run of the program.
    let rax = unsafe { (*ctx.regs).rax };
    rax as u32 == 0
}

/// What is known about the binary whose probe was hit.
#[inline(always)]
pub(crate) fn target(ctx: &impl EbpfContext) -> Option<(u32, &'static Target)> {
    // SAFETY: the context is the one that the kernel handed to this program.
    let cookie = unsafe { bpf_get_attach_cookie(ctx.as_ptr()) } as u32;
    if let Some(target) = maps::TARGETS.get(cookie) {
        return Some((cookie, target));
    }
    maps::dropped(drop_reason::NO_TARGET);
    None
}

/// Finds out which binary's probe `hook` was hit.
#[inline(always)]
pub(crate) fn hit(ctx: &ProbeContext, hook: usize) -> Option<Hit> {
    let (target_index, target) = self::target(ctx)?;
    // SAFETY: `regs` is the context itself, valid for the whole run of the program.
    let address = unsafe { (*ctx.regs).rip };
    let hit = Hit {
        target_index,
        target,
        base: address.wrapping_sub(target.hook_address[hook]),
    };
    (target.features & feature::PROCESSES == 0 || is_meant(&hit)).then_some(hit)
}

/// Whether the process, or the postmaster that it belongs to, is one to record.
#[inline(always)]
fn is_meant(hit: &Hit) -> bool {
    let features = hit.target.features;
    if features & (feature::ONLY_UIDS | feature::NOT_UIDS) != 0 {
        let mark = mark(&maps::UIDS, bpf_get_current_uid_gid() as u32);
        if mark & pass::NOT != 0 || (features & feature::ONLY_UIDS != 0 && mark & pass::ONLY == 0) {
            return false;
        }
    }
    if features & (feature::ONLY_PIDS | feature::NOT_PIDS) == 0 {
        return true;
    }
    let own = mark(&maps::PIDS, (bpf_get_current_pid_tgid() >> 32) as u32);
    let main = match hit.target.postgres.postmaster_pid {
        NO_ADDRESS => 0,
        address => {
            let pid = value::<u32>(hit.base.wrapping_add(address)).unwrap_or(0);
            mark(&maps::PIDS, pid)
        }
    };
    let mark = own | main;
    mark & pass::NOT == 0 && (features & feature::ONLY_PIDS == 0 || mark & pass::ONLY != 0)
}

#[inline(always)]
fn mark(map: &HashMap<u32, u32>, id: u32) -> u32 {
    // SAFETY: user space replaces entries whole, so what is read is one it wrote.
    map.get_ptr(id).map_or(0, |mark| unsafe { *mark })
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
