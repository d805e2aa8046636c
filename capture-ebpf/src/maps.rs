//! Every map: what it holds, how large it is and why.

use aya_ebpf::{
    Global,
    bindings::{BPF_F_NO_PREALLOC, BPF_RB_FORCE_WAKEUP, BPF_RB_NO_WAKEUP},
    macros::map,
    maps::{Array, HashMap, LruHashMap, PerCpuArray, RingBuf},
};
use capture_common::{
    ids::drop_reason,
    target::{PROCESSES_MAX, TARGETS_MAX, Target},
};

use crate::{objects::Tables, thread::Thread};

/// The ring. Its size here is the least; the loader sets the configured one.
#[map]
pub(crate) static RING: RingBuf = RingBuf::with_byte_size(1 << 20, 0);

/// What user space says about each watched binary; the attach cookie is the index.
#[map]
pub(crate) static TARGETS: Array<Target> = Array::with_max_entries(TARGETS_MAX, 0);

/// Lost records by reason.
#[map]
pub(crate) static DROPS: Array<u64> = Array::with_max_entries(drop_reason::MAX, 0);

/// One entry per thread that serves a session (`pid_tgid`), removed when the thread ends.
/// 65,536 entries are more sessions than either server accepts in practice; memory is taken as needed.
#[map]
pub(crate) static THREADS: HashMap<u64, Thread> =
    HashMap::with_max_entries(65_536, BPF_F_NO_PREALLOC);

/// Nothing known of a thread: what a new entry of [`THREADS`] is a copy of.
#[map]
pub(crate) static NO_THREAD: Array<Thread> = Array::with_max_entries(1, 0);

/// The tables that the statement of each thread has touched; removed when the thread ends.
#[map]
pub(crate) static OBJECTS: HashMap<u64, Tables> =
    HashMap::with_max_entries(65_536, BPF_F_NO_PREALLOC);

/// No tables: what a new entry of [`OBJECTS`] is a copy of.
#[map]
pub(crate) static NO_OBJECTS: Array<Tables> = Array::with_max_entries(1, 0);

/// Names of PostgreSQL's schemas, as sessions have asked for them.
#[map]
pub(crate) static NAMESPACES: LruHashMap<Namespace, [u64; 8]> =
    LruHashMap::with_max_entries(16_384, 0);

/// What names a schema.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct Namespace {
    cluster: u64,
    oid: u64,
}

impl Namespace {
    /// The schema `oid` of the database in `cluster`, see `Thread::cluster`.
    #[inline(always)]
    pub(crate) fn new(cluster: u64, oid: u32) -> Self {
        Self {
            cluster,
            oid: u64::from(oid),
        }
    }
}

/// Processes that are recorded alone, or not at all.
#[map]
pub(crate) static PIDS: HashMap<u32, u32> = HashMap::with_max_entries(PROCESSES_MAX, 0);

/// Users whose processes are recorded alone, or not at all.
#[map]
pub(crate) static UIDS: HashMap<u32, u32> = HashMap::with_max_entries(PROCESSES_MAX, 0);

/// Bytes that are read only to find where a string ends; what they hold does not matter.
#[map]
pub(crate) static SCRATCH: PerCpuArray<[u8; SCRATCH_LEN]> = PerCpuArray::with_max_entries(1, 0);

/// Size of a [`SCRATCH`] element.
pub(crate) const SCRATCH_LEN: usize = 4096;

/// The reader polls; it is woken only when this many bytes have piled up, a power of two. The
/// loader sets a quarter of the ring.
#[unsafe(no_mangle)]
static WAKE_BYTES: Global<u64> = Global::new(1 << 18);

/// Only a record that lands this closely behind a multiple of [`WAKE_BYTES`] wakes the reader: a wake-up
/// costs more than a record, and a reader which is busy already needs none.
const WAKE_WINDOW: u64 = 1 << 16;

/// Flags for submitting a record: whether to wake the reader.
#[inline(always)]
pub(crate) fn wake() -> u64 {
    // 0 is BPF_RB_AVAIL_DATA: bytes not yet consumed.
    let waiting = RING.query(0);
    let wake_bytes = WAKE_BYTES.load();
    if waiting >= wake_bytes && waiting & wake_bytes.wrapping_sub(1) < WAKE_WINDOW {
        u64::from(BPF_RB_FORCE_WAKEUP)
    } else {
        u64::from(BPF_RB_NO_WAKEUP)
    }
}

/// Counts one loss.
#[inline(always)]
pub(crate) fn dropped(reason: u32) {
    if let Some(counter) = DROPS.get_ptr_mut(reason) {
        // SAFETY: the pointer is to a live element of a map that is never freed while programs run.
        unsafe { add_one(counter) };
    }
}

/// Adds one atomically: all CPUs share the counter.
///
/// # Safety
///
/// `counter` must point to a live `u64`.
#[cfg(target_arch = "bpf")]
#[inline(always)]
unsafe fn add_one(counter: *mut u64) {
    // `core` has no read-modify-write atomics for this target, the machine does.
    // SAFETY: the caller vouches for `counter`; the instruction touches nothing else.
    unsafe {
        core::arch::asm!("lock *(u64 *)({0} + 0) += {1}", in(reg) counter, in(reg) 1u64);
    }
}

#[cfg(not(target_arch = "bpf"))]
unsafe fn add_one(counter: *mut u64) {
    use core::sync::atomic::{AtomicU64, Ordering};
    // SAFETY: the caller vouches for `counter`.
    unsafe { AtomicU64::from_ptr(counter) }.fetch_add(1, Ordering::Relaxed);
}
