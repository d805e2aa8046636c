//! What an assembler must know to go on where another ended, and rows of what still runs.
//!
//! Takes the threads that changed, gives each as bytes, and back. A thread that was read back gives the
//! same rows as one that was never interrupted.

use std::{collections::BTreeSet, sync::Mutex};

use serde::{Deserialize, Deserializer, Serialize};

use super::{Assembler, Rows, Shared, Thread, command, key};
use crate::flow::{Event, Status};
use capture_common::ids::engine;

/// Under which thread that which is no thread's own is kept: the idle task serves no client.
pub const SHARED: u64 = 0;

/// Notes that cannot be read: another version wrote them, or with another key.
#[derive(Debug, thiserror::Error)]
#[error("the notes about unfinished statements are of another version")]
pub struct KeepError;

/// A thread (process and thread id), and what is to be known of it; none when it is gone. Numbers below
/// 2^32, where no process is, stand for sessions with prepared statements.
pub type Kept = (u64, Option<Vec<u8>>);

impl Assembler {
    /// Threads that have changed since the last call, and what is to be known of each; none of those
    /// that are gone.
    ///
    /// # Errors
    ///
    /// When something cannot be written down, which no value is known for.
    pub fn changed(&mut self) -> Result<Vec<Kept>, KeepError> {
        let mut changed = Vec::new();
        for id in std::mem::take(&mut self.gone) {
            // One that has begun anew meanwhile is changed, not gone.
            if !self.threads.contains_key(&id) {
                changed.push((id, None));
            }
        }
        for (id, thread) in &mut self.threads {
            if std::mem::take(&mut thread.changed) {
                changed.push((*id, Some(bytes(thread)?)));
            }
        }
        if std::mem::take(&mut self.rows.shared.changed) {
            changed.push((SHARED, Some(bytes(&self.rows.shared)?)));
        }
        changed.extend(self.rows.prepared.changed()?);
        Ok(changed)
    }

    /// Takes back what [`Assembler::changed`] gave of a thread.
    ///
    /// # Errors
    ///
    /// When the bytes are something else; nothing has changed then.
    pub fn restore(&mut self, id: u64, state: &[u8]) -> Result<(), KeepError> {
        if id == SHARED {
            self.rows.shared = rmp_serde::from_slice::<Shared>(state).map_err(|_| KeepError)?;
        } else if let Ok(place) = u32::try_from(id) {
            self.rows.prepared.restore(place, state)?;
        } else {
            let thread = rmp_serde::from_slice::<Thread>(state).map_err(|_| KeepError)?;
            if let Some(header) = &thread.left {
                self.left.insert(key(header), id);
            }
            self.threads.insert(id, thread);
        }
        Ok(())
    }

    /// Adds rows for statements that began before `since_us` and still run. Each is given once more
    /// when it ends, by [`Assembler::take_completed`].
    pub fn running(&mut self, since_us: i64, out: &mut Vec<Event>) {
        let mut rows: Vec<(i64, u64)> = self
            .threads
            .iter()
            .filter(|(_, thread)| thread.running.is_none())
            .filter_map(|(id, thread)| Some((self.rows.runs_since(thread)?, *id)))
            .filter(|(began_us, _)| *began_us < since_us)
            .collect();
        rows.sort_unstable();
        for (_, id) in rows {
            if let Some(thread) = self.threads.get_mut(&id) {
                self.rows.still_running(thread, out);
            }
        }
    }

    /// Rows that were given as running and are finished now, with the numbers that they have.
    pub fn take_completed(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.rows.completed)
    }

    /// Leaves the running row `seq` as it is: what comes of the statement is a row of its own, of the
    /// same message.
    pub fn let_go(&mut self, seq: i64) {
        for thread in self.threads.values_mut() {
            if let Some(row) = thread.running.take_if(|row| row.seq == seq) {
                if let Some(message) = &mut thread.message {
                    message.first_seq.get_or_insert(row.message_seq);
                }
                thread.changed = true;
            }
        }
    }
}

impl Rows {
    /// Since when a statement runs whose end the server will report.
    fn runs_since(&self, thread: &Thread) -> Option<i64> {
        let open = thread.open.as_ref()?;
        let waits = open.within.is_none()
            && self.is_statement(&open.begin)
            && self.reports_end(&open.begin)
            && thread.is_unfinished();
        waits.then_some(open.time_us)
    }

    fn still_running(&mut self, thread: &mut Thread, out: &mut Vec<Event>) {
        let Some(open) = &thread.open else { return };
        let name = match self.engine(&open.begin.header) {
            Some(engine::POSTGRES) => command::postgres(open.begin.command),
            _ => command::mysql(open.begin.command),
        };
        let (facts, time_us) = (open.facts.clone(), open.time_us);
        let mut event = self.query(facts.as_ref(), time_us, name);
        event.status = Status::Running;
        // The message itself stays as it is: more of it may come, and its pieces are cut when they end.
        event.text = thread
            .message
            .clone()
            .and_then(|mut message| message.rest());
        let first_seq = thread
            .message
            .as_ref()
            .and_then(|message| message.first_seq);
        // Filters that ask for what only its end tells leave a statement out until then.
        if self.filter.excludes(&event).is_some() {
            return;
        }
        event.seq = self.take_seq();
        event.message_seq = first_seq.unwrap_or(event.seq);
        thread.running = Some(Box::new(event.clone()));
        thread.changed = true;
        out.push(event);
    }

    /// Whether the row is one that was given as running; it takes its number.
    pub(super) fn completes(&mut self, thread: &mut Thread, event: &mut Event) -> bool {
        let Some(running) = thread.running.take() else {
            return false;
        };
        event.seq = running.seq;
        event.message_seq = running.message_seq;
        if let Some(message) = &mut thread.message {
            message.first_seq.get_or_insert(running.message_seq);
        }
        true
    }

    /// A statement that was given as running and of which no row was made is over: how, was not seen.
    pub(super) fn abandon(&mut self, thread: &mut Thread) {
        if let Some(mut running) = thread.running.take() {
            running.status = Status::Unknown;
            self.completed.push(*running);
        }
    }
}

pub(super) fn bytes(value: &impl Serialize) -> Result<Vec<u8>, KeepError> {
    rmp_serde::to_vec_named(value).map_err(|_| KeepError)
}

/// Reads a word of our own source back as such a word. There are few, so what is read stays.
pub(crate) fn word<'de, D: Deserializer<'de>>(from: D) -> Result<&'static str, D::Error> {
    static WORDS: Mutex<BTreeSet<&'static str>> = Mutex::new(BTreeSet::new());
    let text = String::deserialize(from)?;
    let mut words = WORDS.lock().map_err(serde::de::Error::custom)?;
    if let Some(word) = words.get(text.as_str()) {
        return Ok(word);
    }
    let word: &'static str = text.leak();
    words.insert(word);
    Ok(word)
}
