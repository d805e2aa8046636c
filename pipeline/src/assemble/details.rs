//! What the kernel says of a statement beside its text and outcome: bind values, tables, and the
//! statements that ran inside it.
//!
//! It comes between a statement's beginning and its end, and is kept until the row is made.

use std::sync::Arc;

use capture_common::{
    ids::{engine, flag},
    record::{NO_COUNT, SubBegin, SubEnd, outcome},
};
use serde::{Deserialize, Serialize};

use super::{
    Place, Rows, mysql, objects::Objects, parameters::Bound, postgres, prepared::Execution, row,
};
use crate::flow::{Event, Kind, Session, Status, Text};

/// Statements inside one statement that are kept until it ends; what is beyond is a loss.
const SUBS_MAX: usize = 10_000;

/// How deep statements inside statements are told apart.
const DEPTH_MAX: usize = 64;

/// `command` of a statement inside another.
const SUB_STATEMENT: &str = "sub_statement";

/// What is known of the statement that runs.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Details {
    pub(super) objects: Objects,
    pub(super) bound: Option<Bound>,
    /// The prepared statement that is executed (MariaDB, MySQL).
    pub(super) execution: Option<Execution>,
    subs: Vec<Sub>,
    /// Places in `subs` of those that run, the innermost last.
    running: Vec<usize>,
    /// How many there was no room for.
    pub(super) subs_lost: i64,
    /// Rows that the command had sent when the last of them ended (MySQL).
    #[serde(default)]
    sent: u64,
}

/// A statement inside another.
#[derive(Debug, Serialize, Deserialize)]
struct Sub {
    event: Event,
    /// Place of the one that it runs in, none for the outermost.
    parent: Option<usize>,
    depth: u32,
    /// Rows that the command had sent when it began (MySQL, which counts them over all of it).
    #[serde(default)]
    sent_before: u64,
}

impl Details {
    /// Puts the details on the statement's row. Gives the execution of a prepared statement whose types
    /// of values are known, with them.
    pub(super) fn complete(
        &mut self,
        event: &mut Event,
        parameter_max: usize,
    ) -> Option<Execution> {
        event.objects = self.objects.take_json();
        let mut execution = self.execution.take();
        let bound = self.bound.take();
        if let (None, Some(execution)) = (&bound, &mut execution) {
            // The client may have told other types, which are not on record.
            execution.types = None;
        }
        event.parameters = bound
            .and_then(|bound| bound.json(parameter_max, event.text.as_ref(), execution.as_mut()));
        execution.filter(|execution| execution.types.is_some())
    }

    /// Whether anything ran inside the statement.
    pub(super) fn has_subs(&self) -> bool {
        !self.subs.is_empty()
    }

    /// Rows of what ran inside the statement with the row at `parent`, numbered by `take_seq`.
    pub(super) fn take_subs(
        &mut self,
        parent: Place,
        mut take_seq: impl FnMut() -> i64,
        out: &mut Vec<Event>,
    ) {
        self.running.clear();
        let first = out.len();
        for sub in std::mem::take(&mut self.subs) {
            let mut event = sub.event;
            event.seq = take_seq();
            event.message_seq = parent.message_seq;
            let outer = sub.parent.and_then(|place| out.get(first + place));
            event.parent_seq = Some(outer.map_or(parent.seq, |outer| outer.seq));
            out.push(event);
        }
    }
}

impl Rows {
    /// A statement begins inside the one that runs.
    pub(super) fn sub_begin(
        &self,
        details: &mut Details,
        facts: Option<&Arc<Session>>,
        begin: &SubBegin,
        data: &[u8],
    ) {
        leave(details, begin.depth);
        if details.subs.len() >= SUBS_MAX || details.running.len() >= DEPTH_MAX {
            details.subs_lost += 1;
            return;
        }
        let time_us = self.clock.wall_us(begin.header.time_ns);
        let mut event = Event::new(0, time_us, Kind::Query, SUB_STATEMENT);
        event.session = facts.cloned();
        event.status = Status::Unknown;
        event.text = Some(text(begin, data));
        details.subs.push(Sub {
            event,
            parent: details.running.last().copied(),
            depth: begin.depth,
            sent_before: details.sent,
        });
        details.running.push(details.subs.len() - 1);
    }

    /// A statement inside the one that runs ended.
    pub(super) fn sub_end(&self, details: &mut Details, end: &SubEnd, data: &[u8]) {
        leave(details, end.depth.saturating_add(1));
        let Some(place) = details.running.pop() else {
            return;
        };
        let Some(sub) = details.subs.get_mut(place) else {
            return;
        };
        if sub.depth != end.depth {
            // Its beginning is not on record.
            details.running.push(place);
            return;
        }
        let event = &mut sub.event;
        event.duration_us = row::duration(event.time_us, self.clock.wall_us(end.header.time_ns));
        if matches!(end.outcome, outcome::ERROR | outcome::FATAL) {
            event.status = Status::Error;
            if self.engine(&end.header) == Some(engine::POSTGRES) {
                event.status_code = Some(postgres::sqlstate(end.code));
                event.sqlstate.clone_from(&event.status_code);
            } else {
                event.status_code = Some(end.code.to_string());
                event.sqlstate = mysql::sqlstate(end.sqlstate);
            }
            event.error_message = row::message(data);
        } else {
            event.status = Status::Ok;
            event.rows_affected = row::count(end.rows);
            let mut sent = end.rows_sent;
            if self.engine(&end.header) == Some(engine::MYSQL) && sent != NO_COUNT {
                details.sent = sent;
                sent = sent.saturating_sub(sub.sent_before);
            }
            event.rows_returned = mysql::rows_returned(sent, event.text.as_ref());
        }
    }
}

/// Forgets the running ones at `depth` and below: they are over, and how they ended was not seen.
fn leave(details: &mut Details, depth: u32) {
    while let Some(place) = details.running.last().copied()
        && details
            .subs
            .get(place)
            .is_some_and(|sub| sub.depth >= depth)
    {
        details.running.pop();
    }
}

/// The statement's part of the text that it stands in.
fn text(begin: &SubBegin, data: &[u8]) -> Text {
    let start = usize::try_from(begin.location).unwrap_or(0).min(data.len());
    let length = usize::try_from(begin.length)
        .ok()
        .filter(|length| *length > 0);
    let end = length.map_or(data.len(), |length| {
        start.saturating_add(length).min(data.len())
    });
    let bytes = data.get(start..end).unwrap_or_default().to_vec();
    let recorded = bytes.len() as u64;
    let len = match (length, begin.text_len) {
        (Some(length), _) => length as u64,
        (None, NO_COUNT) => recorded,
        (None, whole) => whole.saturating_sub(start as u64).max(recorded),
    };
    let cut = begin.header.flags & flag::CUT != 0 && length.is_none();
    Text {
        truncated: cut || recorded < len,
        bytes,
        len: len.max(recorded),
    }
}
