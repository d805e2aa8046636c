//! What is kept between two probe hits of one thread.
//!
//! Only the thread itself reads and writes its entry, so no entry is ever shared.

use aya_ebpf::helpers::bpf_get_current_pid_tgid;
use capture_common::ids::{drop_reason, kind};

use crate::{bound, emit, maps, objects, read, text::Walk};

/// As many words of a `PortalData` as are read at once: with all that is looked at in 12 to 18.
const PORTAL_WORDS: usize = 24;

/// The beginning of a `PortalData`. One read of all costs less than one for each of its members.
#[repr(transparent)]
#[derive(Clone, Copy)]
pub(crate) struct Portal([u64; PORTAL_WORDS]);

impl Portal {
    /// Reads the portal at `address`; what cannot be read is 0.
    #[inline(always)]
    pub(crate) fn fill(&mut self, address: u64) {
        let len = size_of::<Self>() as u32;
        // SAFETY: the place is `len` bytes long.
        if !unsafe { read::bytes(self.0.as_mut_ptr().cast::<u8>(), len, address) } {
            self.0 = [0; PORTAL_WORDS];
        }
    }

    /// The member at `offset`; 0 when it is not known or not there.
    #[inline(always)]
    pub(crate) fn word(&self, offset: u32) -> u64 {
        let at = offset as usize / 8;
        if at < PORTAL_WORDS { self.0[at] } else { 0 }
    }
}

/// State of a thread that serves sessions.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct Thread {
    /// See `Header::session`; 0 before the first.
    pub(crate) session: u64,
    /// Hash of the names that can change within a session.
    pub(crate) names: u64,
    /// Number of the last call.
    pub(crate) call: u64,
    /// Address of the text of the last message (PostgreSQL).
    pub(crate) text: u64,
    /// Stack pointer where the command began (MariaDB, MySQL).
    pub(crate) stack: u64,
    /// When that message arrived, by the server's clock (PostgreSQL).
    pub(crate) statement_start: i64,
    /// The call whose `BEGIN` carried that text.
    pub(crate) message_call: u64,
    /// `THD *` of the running command (MariaDB, MySQL).
    pub(crate) thd: u64,
    /// How many `SESSION` records were made.
    pub(crate) generation: u32,
    /// 1 while a statement runs; 2 when one of its ends was seen, and the command may report more
    /// (MariaDB, MySQL).
    pub(crate) open: u32,
    /// Number of the running command (MariaDB, MySQL); `CommandDest` of the last one (PostgreSQL).
    pub(crate) source: u32,
    /// Index of the server binary.
    pub(crate) target: u32,
    /// Postmaster's process id and the database's OID (PostgreSQL): what an OID is of.
    pub(crate) cluster: u64,
    /// Address of the schema's name that the server looks up (PostgreSQL), or 0.
    pub(crate) schema_name: u64,
    /// The beginning of the portal that runs (PostgreSQL).
    pub(crate) portal: Portal,
    /// The bind values that are being recorded (PostgreSQL).
    pub(crate) bound: bound::Walk,
    /// How deep the running statement is within others (MariaDB, MySQL): 1 for the command's own.
    pub(crate) depth: u32,
    /// How deep row calls are within one another (MariaDB, MySQL): a partitioned table's engine calls
    /// those of its partitions.
    pub(crate) row_depth: u32,
    /// Other than 0 while the server finds out who logs in (MySQL).
    pub(crate) login: u32,
    /// 1 when the running execution asks for a cursor, whose rows are fetched later (MariaDB, MySQL).
    pub(crate) cursor: u32,
    /// `TABLE_SHARE *` of the outermost of them.
    pub(crate) row_share: u64,
    /// The text that is being recorded. It stands here and not on the stack because the verifier
    /// follows every value on the stack through a loop, but takes those of a map as they come.
    pub(crate) walk: Walk,
}

impl Thread {
    /// Starts a new session; numbers go on, since they name this thread's records for ever.
    #[inline(always)]
    pub(crate) fn restart(&mut self, session: u64, target: u32) {
        self.session = session;
        self.target = target;
        self.names = 0;
        self.text = 0;
        self.statement_start = 0;
        self.message_call = 0;
        self.open = 0;
        self.source = 0;
    }
}

/// The entry of the running thread, if it has one.
#[inline(always)]
pub(crate) fn find() -> Option<&'static mut Thread> {
    let entry = maps::THREADS.get_ptr_mut(bpf_get_current_pid_tgid())?;
    // SAFETY: the entry stays valid during the program (it is removed only by its own thread's exit),
    // and no other thread uses it.
    Some(unsafe { &mut *entry })
}

/// The entry of the running thread, made if need be; `None`, and counted, when the table is full.
#[inline(always)]
pub(crate) fn find_or_add() -> Option<&'static mut Thread> {
    if let Some(thread) = find() {
        return Some(thread);
    }
    // An entry is too large for the stack, so a new one is a copy of one that nobody writes to.
    let none = maps::NO_THREAD.get(0)?;
    if maps::THREADS
        .insert(bpf_get_current_pid_tgid(), none, 0)
        .is_err()
    {
        maps::dropped(drop_reason::SESSIONS_FULL);
        return None;
    }
    find()
}

/// Drops the entry of the running thread and says so in the ring.
#[inline(always)]
pub(crate) fn forget() {
    if let Some(thread) = find() {
        objects::forget();
        emit::header_only(kind::SESSION_END, thread, drop_reason::RING_FULL_SESSION);
        // Only this thread removes its entry, so there is nothing to do about a failure.
        let _removed = maps::THREADS.remove(bpf_get_current_pid_tgid());
    }
}
