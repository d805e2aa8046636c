//! The ring buffer read as a log with offsets.
//!
//! Gives records with their positions; a record's place is given back to the kernel only by
//! [`Ring::release`], which the caller calls once what it made of the records is stored. Positions
//! only grow and live as long as the map, so (ring, position) names a record for ever.
//!
//! Layout (Linux kernel, `kernel/bpf/ringbuf.c`): page 0 of the map is the consumer position; page 1
//! the producer position; then the data, mapped twice in a row so that no record is ever split. A
//! record is a `u32` length with bit 31 set while it is being written and bit 30 when it was
//! discarded, a `u32` page offset, then the bytes; records start at multiples of eight.

use std::{
    fs::File,
    io,
    os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd},
    ptr::NonNull,
    sync::atomic::{AtomicU32, AtomicU64, Ordering},
    time::Duration,
};

use crate::attach::CaptureError;

const BUSY: u32 = 1 << 31;
const DISCARDED: u32 = 1 << 30;
const RECORD_HEADER: u64 = 8;
const PAGE: usize = 4096;

/// A shared mapping of a part of the map.
#[derive(Debug)]
struct Mapping {
    start: NonNull<u8>,
    len: usize,
}

// SAFETY: the mapping is plain shared memory, valid in every thread until it is unmapped on drop.
unsafe impl Send for Mapping {}

impl Mapping {
    fn new(
        fd: BorrowedFd<'_>,
        len: usize,
        protection: libc::c_int,
        offset: usize,
    ) -> io::Result<Self> {
        let offset = libc::off_t::try_from(offset).map_err(io::Error::other)?;
        // SAFETY: a new mapping at an address of the kernel's choice touches no existing memory.
        let start = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                len,
                protection,
                libc::MAP_SHARED,
                fd.as_raw_fd(),
                offset,
            )
        };
        if start == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let start =
            NonNull::new(start.cast::<u8>()).ok_or_else(|| io::Error::other("mapped at zero"))?;
        Ok(Self { start, len })
    }

    fn position(&self) -> &AtomicU64 {
        // SAFETY: the mapping is at least a page long and page-aligned, and its first eight bytes are
        // the position, which both sides access atomically.
        unsafe { self.start.cast::<AtomicU64>().as_ref() }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: exactly what `new` mapped; no reference into it outlives `self`.
        let unmapped = unsafe { libc::munmap(self.start.as_ptr().cast(), self.len) };
        debug_assert_eq!(unmapped, 0);
    }
}

/// One record, valid until the ring is released past it.
#[derive(Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// Where it starts.
    pub position: u64,
    /// Its bytes.
    pub bytes: &'a [u8],
}

/// A BPF ring buffer map.
#[derive(Debug)]
pub struct Ring {
    fd: OwnedFd,
    consumer: Mapping,
    producer: Mapping,
    size: u64,
    read: u64,
}

impl Ring {
    /// Maps the ring behind `fd`, whose data part is `size` bytes (a power of two).
    ///
    /// # Errors
    ///
    /// When the map cannot be mapped: not a ring buffer, or another size.
    pub fn new(fd: OwnedFd, size: usize) -> io::Result<Self> {
        let consumer = Mapping::new(fd.as_fd(), PAGE, libc::PROT_READ | libc::PROT_WRITE, 0)?;
        let producer = Mapping::new(fd.as_fd(), PAGE + 2 * size, libc::PROT_READ, PAGE)?;
        let read = consumer.position().load(Ordering::Acquire);
        Ok(Self {
            fd,
            consumer,
            producer,
            size: size as u64,
            read,
        })
    }

    /// Goes on behind what is accounted for, which is given back to the kernel: it was stored, and not
    /// yet released.
    ///
    /// # Errors
    ///
    /// When the ring never held that position, or has given more than it back.
    pub fn resume(&mut self, position: u64) -> Result<(), CaptureError> {
        let produced = self.produced();
        if position < self.read || position > produced {
            return Err(CaptureError::Position { position, produced });
        }
        self.read = position;
        self.release(position);
        Ok(())
    }

    /// How far the ring has been read: the start of the next record.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.read
    }

    /// How far the kernel has written: records that start before it are there or being written.
    #[must_use]
    pub fn produced(&self) -> u64 {
        self.producer.position().load(Ordering::Acquire)
    }

    /// Size of the data part in bytes.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Bytes that are in the ring and not yet released.
    #[must_use]
    pub fn fill(&self) -> u64 {
        let produced = self.producer.position().load(Ordering::Acquire);
        produced.saturating_sub(self.consumer.position().load(Ordering::Relaxed))
    }

    /// Whether records were read that are not yet released.
    #[must_use]
    pub fn holds_records(&self) -> bool {
        self.read != self.consumer.position().load(Ordering::Relaxed)
    }

    /// The next finished record; `None` when there is none, or when the next one is still being
    /// written (those behind it wait, too, since their order is the record of what came first).
    pub fn next_record(&mut self) -> Option<Record<'_>> {
        let produced = self.producer.position().load(Ordering::Acquire);
        while self.read < produced {
            let offset = usize::try_from(self.read % self.size).ok()?;
            // SAFETY: the data part is mapped twice behind the producer's page, so an offset below
            // its size leaves room for a whole record; headers are eight-byte aligned.
            let start = unsafe { self.producer.start.add(PAGE + offset) };
            // SAFETY: a record header stands here, and the kernel writes it atomically.
            let word = unsafe { start.cast::<AtomicU32>().as_ref() }.load(Ordering::Acquire);
            if word & BUSY != 0 {
                return None;
            }
            let len = u64::from(word & !DISCARDED);
            let position = self.read;
            self.read += (RECORD_HEADER + len).next_multiple_of(8);
            if word & DISCARDED == 0 {
                // SAFETY: the record is finished and not released, so the kernel does not touch it,
                // and its `len` bytes lie within the double mapping.
                let bytes = unsafe {
                    std::slice::from_raw_parts(start.add(8).as_ptr(), usize::try_from(len).ok()?)
                };
                return Some(Record { position, bytes });
            }
        }
        None
    }

    /// Gives everything before `position` back to the kernel.
    pub fn release(&mut self, position: u64) {
        debug_assert!(position <= self.read);
        self.consumer.position().store(position, Ordering::Release);
    }

    /// Waits until the kernel wakes the reader, at most `timeout`. The kernel does so only when much
    /// has piled up; a return says nothing about whether there are records.
    ///
    /// # Errors
    ///
    /// When the wait itself fails; a signal is not an error.
    pub fn wait(&self, timeout: Duration) -> io::Result<()> {
        if self.holds_records() {
            // The kernel calls a ring with unreleased records readable, so polling would spin.
            std::thread::sleep(timeout);
            return Ok(());
        }
        let mut poll = libc::pollfd {
            fd: self.fd.as_raw_fd(),
            events: libc::POLLIN,
            revents: 0,
        };
        let timeout = libc::c_int::try_from(timeout.as_millis()).unwrap_or(libc::c_int::MAX);
        // SAFETY: one valid pollfd is given with the count 1.
        let ready = unsafe { libc::poll(&raw mut poll, 1, timeout) };
        if ready < 0 {
            let error = io::Error::last_os_error();
            if error.kind() != io::ErrorKind::Interrupted {
                return Err(error);
            }
        }
        Ok(())
    }
}

/// How far apart in nanoseconds two readings may be to count as taken together; a reader that was
/// interrupted between them reads again, for as often as [`CLOCK_READS`].
const TOGETHER_NS: u64 = 1_000;
const CLOCK_READS: u32 = 16;

/// Nanoseconds of `CLOCK_BOOTTIME`, the clock of the records, and of the wall clock, read together:
/// what lies between the two is in the duration of each statement whose start the server tells.
#[must_use]
pub fn clocks() -> (u64, i64) {
    let mut best = (u64::MAX, 0, 0);
    for _ in 0..CLOCK_READS {
        let before = clock(libc::CLOCK_BOOTTIME);
        let wall = clock(libc::CLOCK_REALTIME);
        let apart = clock(libc::CLOCK_BOOTTIME).saturating_sub(before);
        if apart < best.0 {
            best = (apart, before + apart / 2, wall);
        }
        if apart <= TOGETHER_NS {
            break;
        }
    }
    (best.1, i64::try_from(best.2).unwrap_or(i64::MAX))
}

fn clock(id: libc::clockid_t) -> u64 {
    let mut now = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: `now` is a valid timespec; both clocks exist on every kernel that has ring buffers.
    let result = unsafe { libc::clock_gettime(id, &raw mut now) };
    debug_assert_eq!(result, 0);
    u64::try_from(now.tv_sec).unwrap_or(0) * 1_000_000_000 + u64::try_from(now.tv_nsec).unwrap_or(0)
}

/// Identity of the running kernel: positions of a ring do not survive a boot.
///
/// # Errors
///
/// When procfs is not there.
pub fn boot_id() -> io::Result<String> {
    use std::io::Read;
    let mut id = String::new();
    File::open("/proc/sys/kernel/random/boot_id")?.read_to_string(&mut id)?;
    Ok(id.trim().to_owned())
}
