//! From the ring to the store, on one thread.
//!
//! A record's place in the ring is released only after the transaction that stored what was made of
//! it. While the store cannot take a batch, the very same batch is tried again and the ring fills.

use std::{
    sync::mpsc::{Receiver, TryRecvError},
    time::Duration,
};

use capture::{
    attach::Drops,
    ring::{Ring, clocks},
};
use capture_common::ids::drop_reason;

use super::{Notice, batch::Pending};
use crate::{
    assemble::{Assembler, Clock},
    config::file::Literals,
    decode::decode,
    flow::{Batch, Event, Kind, RingPosition},
    secrets::{mask_event, mask_literals},
    store::{Store, error::StoreError},
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

/// Why ingest ended before it was told to.
#[derive(Debug, thiserror::Error)]
pub enum IngestError {
    /// The ring can no longer be read.
    #[error("cannot read the ring")]
    Ring(#[source] std::io::Error),
    /// The counters of losses can no longer be read.
    #[error("cannot read the counters of losses")]
    Drops(#[source] capture::attach::CaptureError),
    /// The store does not take rows.
    #[error("cannot store {rows} rows")]
    Store {
        /// How many rows were not stored.
        rows: usize,
        /// Why.
        #[source]
        source: StoreError,
    },
}

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
    /// Takes over the ring and the store.
    pub(super) fn new(
        ring: Ring,
        ring_id: String,
        drops: Drops,
        notices: Receiver<Notice>,
        store: Store,
        host_name: String,
    ) -> Self {
        let (clock, now_us) = now();
        let assembler = Assembler::new(host_name, store.next_seq(), clock);
        Self {
            ring,
            ring_id,
            drops,
            notices,
            store,
            assembler,
            pending: Pending::default(),
            events: Vec::new(),
            counted: [0; drop_reason::MAX as usize],
            counted_at_us: now_us,
            unreadable: 0,
            literals: Literals::default(),
            masked_up_to: 0,
            filtered_told_us: now_us,
            stopping: false,
        }
    }

    /// Runs until told to stop and everything is stored.
    pub(super) fn run(mut self) -> Result<(), IngestError> {
        loop {
            // What is in the ring now was attached before, and told of before that.
            let until = self.ring.produced();
            self.hear();
            let (clock, now_us) = now();
            self.assembler.set_clock(clock);
            self.read(until, now_us);

            if self.stopping && self.ring.position() >= until && self.ring.produced() == until {
                return self.end(now_us);
            }
            if self.pending.is_due(now_us) || self.stopping {
                self.commit(now_us)?;
            } else if self.pending.since_us.is_some() {
                self.ring.wait(BUSY_WAIT).map_err(IngestError::Ring)?;
            } else {
                self.seal_if_due(now_us);
                self.ring.wait(IDLE_WAIT).map_err(IngestError::Ring)?;
            }
        }
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
                Ok(decoded) => self.assembler.record(&decoded, &mut self.events),
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
            let mut event = Event::new(
                self.assembler.take_seq(),
                self.counted_at_us,
                Kind::Loss,
                reason,
            );
            event.repeat_count = count;
            event.duration_us = Some(now_us.saturating_sub(self.counted_at_us).max(0));
            self.events.push(event);
        }
        self.counted = counts;
        self.counted_at_us = now_us;
        Ok(())
    }

    /// Stores what was read and gives its place in the ring back.
    fn commit(&mut self, now_us: i64) -> Result<(), IngestError> {
        self.losses(now_us)?;
        if now_us.saturating_sub(self.filtered_told_us) >= FILTERED_INTERVAL_US {
            self.filtered(now_us);
        }
        let position = self.ring.position();
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
        while let Err(source) = self.store.append(&batch, now_us) {
            tries += 1;
            let given_up = self.stopping && tries >= TRIES_AT_STOP;
            if given_up || !source.is_retryable() {
                return Err(IngestError::Store {
                    rows: batch.events.len(),
                    source,
                });
            }
            tracing::error!(error = %source, rows = batch.events.len(), "cannot store; the ring holds what comes");
            std::thread::sleep(RETRY_WAIT);
            self.hear();
        }
        self.ring.release(position);
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

    /// Everything is read: what still runs is put on record as running, and the end itself.
    fn end(mut self, now_us: i64) -> Result<(), IngestError> {
        self.assembler.finish(&mut self.events);
        self.filtered(now_us);
        self.lifecycle("stop", String::new(), now_us);
        self.commit(now_us)
    }
}
