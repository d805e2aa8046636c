//! From the ring to the store, on one thread.
//!
//! A record's place in the ring is released only after the transaction that stored what was made of
//! it. While the store cannot take a batch, the very same batch is tried again and the ring fills.

mod disk;
mod ended;
mod error;
mod told;

use std::{
    sync::mpsc::{Receiver, TryRecvError},
    time::{Duration, Instant},
};

use capture::{
    attach::{Drops, Source},
    crash,
    ring::{Ring, clocks},
};
use capture_common::ids::drop_reason;

use ended::Gone;
pub(super) use error::IngestError;

use super::{Notice, RUNNING_SHOWN_US, batch::Pending, vault::Vault};
use crate::{
    assemble::{Assembler, Clock},
    config::file::Literals,
    decode::decode,
    flow::{Batch, Event, Kind, RingPosition},
    health::{Health, notify::Watchdog},
    secrets::{mask_event, mask_literals},
    store::{
        Store,
        standing::{End, Notes, Standing},
    },
};

/// How long to wait for the kernel when the ring is empty.
const IDLE_WAIT: Duration = Duration::from_millis(50);

/// How long to wait when something waits to be stored.
const BUSY_WAIT: Duration = Duration::from_millis(10);

/// How long to wait before a batch that could not be stored is tried again.
const RETRY_WAIT: Duration = Duration::from_secs(1);

/// How often a batch is tried again once recording is to end.
const TRIES_AT_STOP: u32 = 5;

/// How often it is put on record how many statements the filter left out.
const FILTERED_INTERVAL_US: i64 = 60_000_000;

/// The reasons of a loss that is noticed here.
const UNREADABLE_RECORD: &str = "unreadable_record";
/// More statements ran inside one than are kept of one.
const SUB_STATEMENTS: &str = "sub_statements";

/// How often running statements are looked for, microseconds.
const LOOK_INTERVAL_US: i64 = 1_000_000;

/// How often it is noted that recording goes on while there is nothing to store, microseconds.
const ALIVE_INTERVAL_US: i64 = 10_000_000;

/// How often the numbers of [`Health`] are stored beside the rows, microseconds.
const HEALTH_INTERVAL_US: i64 = 1_000_000;

/// From how much on a change of the wall clock against the time since boot is put on record,
/// microseconds.
const JUMP_US: i64 = 1_000_000;

/// What stands between the ring and the store.
#[derive(Debug)]
pub(super) struct Ingest {
    ring: Ring,
    ring_id: String,
    drops: Drops,
    notices: Receiver<Notice>,
    store: Store,
    assembler: Assembler,
    pending: Pending,
    events: Vec<Event>,
    counted: [u64; drop_reason::MAX as usize],
    counted_at_us: i64,
    unreadable: i64,
    literals: Literals,
    /// How many of the rows that wait are masked already.
    masked_up_to: usize,
    filtered_told_us: i64,
    stopping: bool,
    /// Whether the probes go on when recording ends.
    leaving: bool,
    paused: bool,
    /// How full the disk is, when recording is to end for that.
    halt: Option<String>,
    vault: Vault,
    let_go: Vec<i64>,
    /// Notices in the store that are among the rows that wait.
    told: Vec<i64>,
    looked_at_us: i64,
    alive_at_us: i64,
    clock: Clock,
    health: Health,
    health_told_us: i64,
    /// Time of the oldest record that waits to be stored.
    oldest_us: Option<i64>,
    watchdog: Watchdog,
    /// Servers that have ended, each with how far the ring holds what they did.
    ended: Vec<(u64, Gone)>,
}

/// What ingest starts from.
#[derive(Debug)]
pub(super) struct Start {
    /// Where records come from.
    pub(super) source: Source,
    /// Name of the ring.
    pub(super) ring_id: String,
    /// Key of the notes beside the rows.
    pub(super) key: String,
    /// What a former recorder has noted.
    pub(super) notes: Notes,
    /// Where rows go.
    pub(super) store: Store,
    /// Name of this host.
    pub(super) host_name: String,
}

/// Masks what must not be stored of the rows from `from` on.
fn mask(events: &mut [Event], literals: Literals, from: usize) {
    for event in events.iter_mut().skip(from) {
        mask_event(event);
        if literals == Literals::Mask {
            mask_literals(event);
        }
    }
}

fn now() -> (Clock, i64) {
    let (boot_ns, wall_ns) = clocks();
    (Clock::new(boot_ns, wall_ns), wall_ns / 1000)
}

impl Ingest {
    /// Takes over the ring and the store, and goes on where a former recorder ended.
    pub(super) fn new(
        start: Start,
        notices: Receiver<Notice>,
        health: Health,
    ) -> Result<Self, IngestError> {
        let (clock, now_us) = now();
        let Start {
            source: Source { mut ring, drops },
            ring_id,
            key,
            notes,
            store,
            host_name,
        } = start;
        let vault = Vault::new(&key)?;
        let mut assembler = Assembler::new(host_name, store.next_seq(), clock);
        for (thread, closed) in &notes.threads {
            assembler.restore(*thread, &vault.open(*thread, closed)?)?;
        }
        let mut counted = [0; drop_reason::MAX as usize];
        for (name, count) in drop_reason::NAMES.iter().zip(&mut counted) {
            let noted = notes.counted.iter().find(|(reason, _)| reason == name);
            *count = noted.map_or(0, |(_, count)| *count);
        }
        if let Some(position) = store.ring_position(&ring_id) {
            ring.resume(position).map_err(IngestError::Resume)?;
        }
        Ok(Self {
            ring,
            ring_id,
            drops,
            notices,
            store,
            assembler,
            pending: Pending::default(),
            events: Vec::new(),
            counted,
            counted_at_us: now_us,
            unreadable: 0,
            literals: Literals::default(),
            masked_up_to: 0,
            filtered_told_us: now_us,
            stopping: false,
            leaving: false,
            paused: false,
            halt: None,
            vault,
            let_go: Vec::new(),
            told: Vec::new(),
            looked_at_us: now_us,
            alive_at_us: now_us,
            clock,
            health,
            health_told_us: i64::MIN,
            oldest_us: None,
            watchdog: Watchdog::new(now_us),
            ended: Vec::new(),
        })
    }

    /// Runs until told to stop and everything is stored; gives the store back.
    pub(super) fn run(mut self) -> Result<Store, IngestError> {
        loop {
            // What is in the ring now was attached before, and told of before that.
            let until = self.ring.produced();
            self.hear();
            let (clock, now_us) = now();
            self.set_clock(clock, now_us);
            if let Some(why) = self.halt.take() {
                return Err(self.halted(why, now_us));
            }
            if !self.is_paused() {
                self.read(until, now_us);
            }
            self.pulse(now_us);
            self.servers_ended(now_us);

            let all = self.ring.position() >= until;
            // With the probes on there is no last record.
            if self.stopping
                && all
                && self.ended.is_empty()
                && (self.leaving || self.ring.produced() == until)
            {
                return self.end(now_us);
            }
            self.look(now_us)?;
            if self.pending.is_due(now_us) || self.stopping {
                self.commit(now_us, None)?;
            } else if self.pending.since_us.is_some() {
                self.ring.wait(BUSY_WAIT).map_err(IngestError::Ring)?;
            } else {
                self.seal_if_due(now_us);
                self.ring.wait(IDLE_WAIT).map_err(IngestError::Ring)?;
            }
        }
    }

    /// Says how full the ring is, and that the recorder is alive.
    fn pulse(&mut self, now_us: i64) {
        let (used, size) = (self.ring.fill(), self.ring.size());
        self.health.waiting(used, size, self.lag(now_us), now_us);
        self.watchdog.beat(now_us);
    }

    /// Age of the oldest record that waits to be stored, microseconds.
    fn lag(&self, now_us: i64) -> i64 {
        self.oldest_us
            .map_or(0, |oldest| now_us.saturating_sub(oldest).max(0))
    }

    /// Dates records by `clock`; a wall clock that was set is put on record.
    fn set_clock(&mut self, clock: Clock, now_us: i64) {
        let jump_us = clock.ahead_of(self.clock);
        if jump_us.abs() > JUMP_US {
            let moved = format!("the wall clock was moved by {jump_us} microseconds");
            self.lifecycle("clock", moved, now_us);
        }
        self.clock = clock;
        self.assembler.set_clock(clock);
    }

    /// What is done about once a second: statements that run for long are shown as running, and those
    /// that hold up their segment's archive no longer do.
    fn look(&mut self, now_us: i64) -> Result<(), IngestError> {
        if now_us.abs_diff(self.looked_at_us) < LOOK_INTERVAL_US.unsigned_abs() {
            return Ok(());
        }
        self.looked_at_us = now_us;
        self.take_notices(now_us);
        let rows = self.events.len();
        self.assembler
            .running(now_us.saturating_sub(RUNNING_SHOWN_US), &mut self.events);
        if let Ok(overdue) = self.store.overdue(now_us) {
            for seq in overdue {
                self.assembler.let_go(seq);
                self.let_go.push(seq);
            }
        }
        self.pending.rows = self.events.len();
        if self.events.len() > rows || !self.let_go.is_empty() {
            self.pending.note(now_us);
        }
        if self.pending.since_us.is_none()
            && now_us.saturating_sub(self.alive_at_us) >= ALIVE_INTERVAL_US
        {
            self.alive_at_us = now_us;
            if let Err(error) = self.store.note_alive(&self.health.snapshot(), now_us) {
                tracing::warn!(%error, "cannot note that recording goes on");
            }
        }
        Ok(())
    }

    /// Closes a segment that has grown old while nothing came. No row is at stake, so a failure is
    /// left to the next batch to meet.
    fn seal_if_due(&mut self, now_us: i64) {
        if let Err(error) = self.store.seal_if_due(now_us) {
            tracing::warn!(%error, "cannot seal a segment");
        }
    }

    fn hear(&mut self) {
        loop {
            match self.notices.try_recv() {
                Ok(Notice::Target(index, target)) => self.assembler.add_target(index, target),
                Ok(Notice::Settings {
                    filter,
                    literals,
                    parameter_max,
                }) => {
                    let (_, now_us) = now();
                    self.filtered(now_us);
                    self.assembler.set_filter(filter);
                    self.assembler.set_parameter_max(parameter_max);
                    // What was read before is stored as it was to be then.
                    mask(&mut self.events, self.literals, self.masked_up_to);
                    self.masked_up_to = self.events.len();
                    self.literals = literals;
                }
                Ok(Notice::Lifecycle(what, detail)) => {
                    let (_, now_us) = now();
                    self.lifecycle(what, detail, now_us);
                }
                Ok(Notice::Ended(pid, detail)) => {
                    self.ended
                        .push((self.ring.produced(), Gone::Process(pid, detail)));
                }
                Ok(Notice::Running(pids)) => {
                    self.ended.push((self.ring.produced(), Gone::Others(pids)));
                }
                Ok(Notice::Gap(what, from_us, to_us)) => {
                    let mut event =
                        Event::new(self.assembler.take_seq(), from_us, Kind::Lifecycle, what);
                    event.duration_us = Some(to_us.saturating_sub(from_us).max(0));
                    self.events.push(event);
                    self.pending.note(to_us);
                }
                Ok(Notice::Unread(reason, count)) => {
                    let (_, now_us) = now();
                    self.loss(reason, count, now_us);
                    self.pending.note(now_us);
                }
                Ok(Notice::Pause(paused)) => self.paused = paused,
                Ok(Notice::Halt(why)) => self.halt = Some(why),
                Ok(Notice::Leave) => {
                    (self.stopping, self.leaving) = (true, true);
                    return;
                }
                // A supervisor that is gone can attach nothing more either.
                Ok(Notice::Stop) | Err(TryRecvError::Disconnected) => {
                    self.stopping = true;
                    return;
                }
                Err(TryRecvError::Empty) => return,
            }
        }
    }

    /// Rows for how many statements the filter left out since they were last told.
    fn filtered(&mut self, now_us: i64) {
        for (cause, count) in self.assembler.take_filtered() {
            self.lifecycle("filtered", cause.to_string(), now_us);
            if let Some(event) = self.events.last_mut() {
                event.repeat_count = count;
            }
        }
        self.filtered_told_us = now_us;
    }

    fn lifecycle(&mut self, what: &'static str, detail: String, now_us: i64) {
        let mut event = Event::new(self.assembler.take_seq(), now_us, Kind::Lifecycle, what);
        event.error_message = Some(detail).filter(|detail| !detail.is_empty());
        self.events.push(event);
        self.pending.note(now_us);
    }

    /// Reads records that start before `until`, as many as fit a batch.
    fn read(&mut self, until: u64, now_us: i64) {
        let start = self.ring.position();
        while self.ring.position() < until && !self.pending.is_full() {
            let Some(record) = self.ring.next_record() else {
                break;
            };
            match decode(record.bytes) {
                Ok(decoded) => {
                    let time_ns = decoded.header().time_ns;
                    self.oldest_us
                        .get_or_insert_with(|| self.clock.wall_us(time_ns));
                    self.assembler.record(&decoded, &mut self.events);
                }
                Err(error) => {
                    tracing::warn!(position = record.position, %error, "unreadable record");
                    self.unreadable += 1;
                }
            }
            self.pending.rows = self.events.len();
        }
        let read = self.ring.position() - start;
        if read > 0 {
            self.pending.bytes += read;
            self.pending.note(now_us);
        }
    }

    /// Rows for what was lost since the last look.
    fn losses(&mut self, now_us: i64) -> Result<(), IngestError> {
        let counts = self.drops.read().map_err(IngestError::Drops)?;
        let kernel = drop_reason::NAMES.into_iter().zip(counts).zip(self.counted);
        let lost: Vec<(&'static str, i64)> = kernel
            .map(|((reason, count), before)| {
                (
                    reason,
                    i64::try_from(count.wrapping_sub(before)).unwrap_or(i64::MAX),
                )
            })
            .chain([
                (UNREADABLE_RECORD, std::mem::take(&mut self.unreadable)),
                (SUB_STATEMENTS, self.assembler.take_subs_lost()),
            ])
            .filter(|(_, count)| *count > 0)
            .collect();
        for (reason, count) in lost {
            self.loss(reason, count, now_us);
        }
        self.counted = counts;
        self.counted_at_us = now_us;
        Ok(())
    }

    fn loss(&mut self, reason: &'static str, count: i64, now_us: i64) {
        let from_us = self.counted_at_us;
        let mut event = Event::new(self.assembler.take_seq(), from_us, Kind::Loss, reason);
        event.repeat_count = count;
        event.duration_us = Some(now_us.saturating_sub(from_us).max(0));
        self.events.push(event);
    }

    /// What goes beside the rows, so that another recorder can go on from here.
    fn standing(&mut self, end: Option<End>, now_us: i64) -> Result<Standing, IngestError> {
        let mut completed = self.assembler.take_completed();
        mask(&mut completed, self.literals, 0);
        let mut threads = Vec::new();
        for (thread, state) in self.assembler.changed()? {
            let closed = state.map(|state| self.vault.close(thread, &state));
            threads.push((thread, closed.transpose()?));
        }
        let health = (end.is_some()
            || now_us.saturating_sub(self.health_told_us) >= HEALTH_INTERVAL_US)
            .then(|| self.health.snapshot());
        Ok(Standing {
            completed,
            let_go: std::mem::take(&mut self.let_go),
            threads,
            counted: drop_reason::NAMES.into_iter().zip(self.counted).collect(),
            told: std::mem::take(&mut self.told),
            health,
            end,
        })
    }

    /// Stores what was read and gives its place in the ring back.
    fn commit(&mut self, now_us: i64, end: Option<End>) -> Result<(), IngestError> {
        self.losses(now_us)?;
        if now_us.saturating_sub(self.filtered_told_us) >= FILTERED_INTERVAL_US {
            self.filtered(now_us);
        }
        crash::point("before-batch");
        let position = self.ring.position();
        let standing = self.standing(end, now_us)?;
        let mut events = std::mem::take(&mut self.events);
        mask(
            &mut events,
            self.literals,
            std::mem::take(&mut self.masked_up_to),
        );
        let batch = Batch {
            events,
            ring: Some(RingPosition {
                ring_id: self.ring_id.clone(),
                position,
            }),
        };
        let mut tries = 0;
        let mut started = Instant::now();
        while let Err(source) = self.store.append_with(&batch, &standing, now_us) {
            tries += 1;
            let given_up = self.halt.is_some() || (self.stopping && tries >= TRIES_AT_STOP);
            if given_up || !source.is_retryable() {
                return Err(IngestError::Store {
                    rows: batch.events.len(),
                    source,
                });
            }
            tracing::error!(error = %source, rows = batch.events.len(), "cannot store; the ring holds what comes");
            let (_, failed_us) = now();
            self.health.held_up(&source.to_string(), failed_us);
            std::thread::sleep(RETRY_WAIT);
            self.pulse(failed_us);
            self.hear();
            started = Instant::now();
        }
        if tries > 0 {
            tracing::info!(tries, "storing again");
            let (_, again_us) = now();
            let mut event = Event::new(self.assembler.take_seq(), now_us, Kind::Lifecycle, "disk");
            event.error_message = Some("the store took no rows; the ring held them".to_owned());
            event.duration_us = Some(again_us.saturating_sub(now_us).max(0));
            self.events.push(event);
        }
        self.tell(&batch.events, &standing, started.elapsed());
        crash::point("before-release");
        self.ring.release(position);
        crash::point("after-release");
        self.alive_at_us = now_us;
        // Notices that came while the batch waited are rows behind it.
        let heard = std::mem::replace(&mut self.events, batch.events);
        self.events.clear();
        self.events.extend(heard);
        self.pending = Pending {
            rows: self.events.len(),
            ..Pending::default()
        };
        if !self.events.is_empty() {
            self.pending.note(now_us);
        }
        Ok(())
    }

    /// Adds a batch that is stored to the recorder's numbers.
    fn tell(&mut self, events: &[Event], standing: &Standing, took: Duration) {
        let (_, now_us) = now();
        let took_us = i64::try_from(took.as_micros()).unwrap_or(i64::MAX);
        self.health
            .stored(events, took_us, self.lag(now_us), now_us);
        self.oldest_us = None;
        if standing.health.is_some() {
            self.health_told_us = now_us;
        }
    }

    /// Everything is read: what still runs is put on record as running, and the end itself.
    fn end(mut self, now_us: i64) -> Result<Store, IngestError> {
        self.take_notices(now_us);
        let end = if self.leaving {
            self.assembler.running(now_us, &mut self.events);
            self.filtered(now_us);
            self.lifecycle("stop", "the probes go on".to_owned(), now_us);
            End::Kept
        } else {
            self.assembler.finish(&mut self.events);
            self.filtered(now_us);
            self.lifecycle("stop", String::new(), now_us);
            End::Clean
        };
        self.commit(now_us, Some(end))?;
        if !self.events.is_empty() {
            // What came while the last batch waited for the store.
            self.commit(now_us, Some(end))?;
        }
        Ok(self.store)
    }
}
