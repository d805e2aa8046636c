//! Records into rows.
//!
//! Takes decoded records in ring order, gives one [`Event`] per statement (or piece of a text with
//! several), login failure and loss, numbered without gaps. Pairs beginnings with ends per thread, so
//! concurrent sessions never mix. Pure: clocks are handed in, nothing is read or written.

mod command;
mod details;
mod ends;
mod identity;
mod keep;
mod message;
mod mysql;
mod objects;
mod parameters;
mod postgres;
mod prepared;
mod row;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use capture_common::{
    ids::{engine, flag, parameter_form},
    record::{Begin, End, Header, Parameters, Text, Value},
};

use crate::{
    config::filter::{Cause, Filter},
    decode::Record,
    flow::{Dialect, Event, Kind, Session, Status},
};
use details::Details;
pub(crate) use keep::word;
pub use keep::{KeepError, Kept, SHARED};
use message::Message;
use parameters::Bound;
use prepared::{Key, Sessions};
use serde::{Deserialize, Serialize};

/// Bytes of one bind value that are stored, unless told otherwise.
pub const PARAMETER_MAX_DEFAULT: usize = 1024;

/// What is known about one watched server binary.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// See [`capture_common::ids::engine`].
    pub engine: u32,
    /// As the binary names itself.
    pub version: Option<String>,
    /// PostgreSQL's command tags, by number.
    pub tags: Vec<String>,
}

impl Target {
    /// The engine's name as rows have it.
    pub(crate) fn system_name(&self) -> &'static str {
        match self.engine {
            engine::POSTGRES => "postgresql",
            engine::MARIADB => "mariadb",
            _ => "mysql",
        }
    }

    fn dialect(&self) -> Dialect {
        if self.engine == engine::POSTGRES {
            Dialect::Postgres
        } else {
            Dialect::Mysql
        }
    }
}

/// The wall clock less the records' clock, so that a record's time can be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Clock {
    offset_us: i64,
}

impl Clock {
    /// Both clocks read together: `CLOCK_BOOTTIME` and `CLOCK_REALTIME`, nanoseconds.
    #[must_use]
    pub fn new(boot_ns: u64, wall_ns: i64) -> Self {
        Self {
            offset_us: wall_ns / 1000 - i64::try_from(boot_ns / 1000).unwrap_or(i64::MAX),
        }
    }

    /// By how many microseconds this wall clock is ahead of the other.
    #[must_use]
    pub fn ahead_of(self, other: Self) -> i64 {
        self.offset_us.saturating_sub(other.offset_us)
    }

    /// Microseconds since the Unix epoch of a record's time.
    #[must_use]
    pub fn wall_us(self, time_ns: u64) -> i64 {
        i64::try_from(time_ns / 1000)
            .unwrap_or(i64::MAX)
            .saturating_add(self.offset_us)
    }
}

/// A statement that has begun.
#[derive(Debug, Serialize, Deserialize)]
struct Open {
    call: u64,
    time_us: i64,
    begin: Begin,
    /// Who began it.
    facts: Option<Arc<Session>>,
    /// Whether an end was seen already: a MariaDB text ends once for each of its pieces.
    ended: bool,
    /// An end from within the command, which counts if the command reports none of its own.
    within: Option<(End, Vec<u8>)>,
}

/// What is kept of one thread that serves sessions.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Thread {
    session: u64,
    generation: u32,
    facts: Option<Arc<Session>>,
    /// Whether a login is known to have succeeded, and when, if it was seen.
    established: bool,
    connected_us: Option<i64>,
    message: Option<Message>,
    open: Option<Open>,
    details: Details,
    /// The statement of which a part of a long value follows (MariaDB, MySQL).
    long: Option<u32>,
    /// Where the thread ended while its session had not (MariaDB, MySQL): either another thread serves it,
    /// or the server is at its end, which is known later.
    left: Option<Header>,
    /// The row that was given of the open statement while it ran.
    running: Option<Box<Event>>,
    /// Whether something is different from what was last kept of it.
    #[serde(skip)]
    changed: bool,
}

impl Thread {
    /// Whether something has begun of which no row was made.
    fn is_unfinished(&self) -> bool {
        self.open.as_ref().is_some_and(|open| {
            let more = |message: &Message| message.has_more(open.begin.command);
            !open.ended || self.message.as_ref().is_some_and(more)
        })
    }
}

/// The session that a record belongs to.
fn key(header: &Header) -> Key {
    (header.target, header.pid_tgid >> 32, header.session)
}

/// Pairs beginnings with ends.
#[derive(Debug)]
pub struct Assembler {
    rows: Rows,
    threads: HashMap<u64, Thread>,
    /// Threads that ended since what is to be known of them was last asked.
    gone: Vec<u64>,
    /// Sessions whose thread has ended before them, with the thread.
    left: HashMap<Key, u64>,
}

impl Assembler {
    /// Numbers its rows from `next_seq` on.
    #[must_use]
    pub fn new(host_name: String, next_seq: i64, clock: Clock) -> Self {
        let rows = Rows {
            host_name,
            next_seq,
            clock,
            targets: BTreeMap::new(),
            shared: Shared::default(),
            completed: Vec::new(),
            parameter_max: PARAMETER_MAX_DEFAULT,
            subs_lost: 0,
            filter: Arc::default(),
            filtered: BTreeMap::new(),
            prepared: Sessions::default(),
        };
        Self {
            rows,
            threads: HashMap::new(),
            gone: Vec::new(),
            left: HashMap::new(),
        }
    }

    /// Makes a server binary known, before any of its records is given.
    pub fn add_target(&mut self, index: u32, target: Target) {
        self.rows.targets.insert(index, target);
    }

    /// Sets the clocks; records are dated by the last ones set.
    pub fn set_clock(&mut self, clock: Clock) {
        self.rows.clock = clock;
    }

    /// Sets how many bytes of one bind value are stored.
    pub fn set_parameter_max(&mut self, bytes: usize) {
        self.rows.parameter_max = bytes;
    }

    /// Sets which statements are left out of what comes from now on.
    pub fn set_filter(&mut self, filter: Arc<Filter>) {
        self.rows.filter = filter;
    }

    /// How many statements were left out since the last call, by cause.
    pub fn take_filtered(&mut self) -> BTreeMap<Cause, i64> {
        std::mem::take(&mut self.rows.filtered)
    }

    /// How many statements inside others were not kept since the last call, for want of room.
    pub fn take_subs_lost(&mut self) -> i64 {
        std::mem::take(&mut self.rows.subs_lost)
    }

    /// The next row's number, taken.
    pub fn take_seq(&mut self) -> i64 {
        self.rows.take_seq()
    }

    /// Takes one record; rows that it completes are added to `out`.
    pub fn record(&mut self, record: &Record<'_>, out: &mut Vec<Event>) {
        let header = record.header();
        if matches!(record, Record::SessionEnd(_)) {
            self.thread_ended(header, out);
            return;
        }
        if !self.left.is_empty()
            && let Some(other) = self.left.remove(&key(header))
            && other != header.pid_tgid
        {
            // This thread serves the session now.
            self.threads.remove(&other);
            self.gone.push(other);
        }
        let thread = self.threads.entry(header.pid_tgid).or_default();
        self.rows.record(thread, record, out);
        thread.changed = true;
    }

    /// Rows for what is still running, when recording stops; in the order in which it began.
    pub fn finish(&mut self, out: &mut Vec<Event>) {
        let mut threads: Vec<Thread> = std::mem::take(&mut self.threads).into_values().collect();
        threads.sort_unstable_by_key(|thread| {
            let header = thread.open.as_ref().map(|open| open.begin.header);
            header.map(|header| (header.time_ns, header.pid_tgid))
        });
        for thread in &mut threads {
            self.rows.running(thread, out);
        }
    }
}

/// Where a row stands in the trail.
#[derive(Debug, Clone, Copy)]
struct Place {
    seq: i64,
    message_seq: i64,
}

impl Place {
    fn of(event: &Event) -> Self {
        Self {
            seq: event.seq,
            message_seq: event.message_seq,
        }
    }
}

/// What makes the rows: all that is known but the threads.
#[derive(Debug)]
struct Rows {
    host_name: String,
    next_seq: i64,
    clock: Clock,
    targets: BTreeMap<u32, Target>,
    shared: Shared,
    /// Rows that had been given as running.
    completed: Vec<Event>,
    /// Bytes of one bind value at most.
    parameter_max: usize,
    /// Statements inside others that were not kept, since the last look.
    subs_lost: i64,
    /// Which statements are left out.
    filter: Arc<Filter>,
    /// How many were, by cause, since the last look.
    filtered: BTreeMap<Cause, i64>,
    /// Prepared statements of every session (MariaDB, MySQL).
    prepared: Sessions,
}

/// What is known beyond one thread, and must outlive the recorder.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Shared {
    /// By target and command: the least stack that an end from within was away from the command.
    nearest: BTreeMap<(u32, u32), u32>,
    #[serde(skip)]
    changed: bool,
}

impl Rows {
    fn take_seq(&mut self) -> i64 {
        let seq = self.next_seq;
        self.next_seq += 1;
        seq
    }

    fn record(&mut self, thread: &mut Thread, record: &Record<'_>, out: &mut Vec<Event>) {
        let header = record.header();
        if thread.session != header.session {
            self.close(thread, out);
            *thread = Thread {
                session: header.session,
                ..Thread::default()
            };
        }
        if thread.generation != header.generation || thread.facts.is_none() {
            // The record that says who it is was lost, unless this is the very one.
            thread.generation = header.generation;
            let target = self.targets.get(&header.target);
            thread.facts = identity::server(target, &self.host_name, header).map(Arc::new);
        }
        match record {
            Record::Session(session, names) => {
                let target = self.targets.get(&header.target);
                thread.facts =
                    identity::facts(target, &self.host_name, session, names).map(Arc::new);
            }
            Record::Begin(begin, data) => self.begin(thread, begin, data, out),
            Record::Text(text, data) => self.text(thread, text, data, out),
            Record::End(end, data) => self.end(thread, end, data, out),
            Record::Failure(end, data) => self.failure(thread, end, data, out),
            Record::Connect(_) => self.connected(thread, header, out),
            Record::Disconnect(_) => {
                self.close(thread, out);
                self.prepared.forget(key(header));
                self.disconnected(thread, self.clock.wall_us(header.time_ns), None, out);
            }
            Record::SessionEnd(_) | Record::CommandEnd(_) => self.close(thread, out),
            Record::Parameters(parameters, data) => self.parameters(thread, parameters, data),
            Record::Value(value, data) => self.value(thread, value, data),
            Record::Prepared(prepared) => {
                let message = thread.message.as_ref();
                let text = message.filter(|message| message.call == header.call);
                if header.flags & flag::CLOSED != 0 {
                    self.prepared.close(key(header), prepared.statement);
                } else {
                    let text = text.map(Message::whole);
                    self.prepared.add(key(header), prepared.statement, text);
                }
            }
            Record::Object(object, names) => thread.details.objects.add(object, names),
            Record::SubBegin(begin, data) => {
                let facts = thread.facts.as_ref();
                self.sub_begin(&mut thread.details, facts, begin, data);
            }
            Record::SubEnd(end, data) => self.sub_end(&mut thread.details, end, data),
        }
    }

    fn parameters(&mut self, thread: &mut Thread, parameters: &Parameters, data: &[u8]) {
        if parameters.form != parameter_form::LONG_DATA {
            thread.long = None;
            let mut bound = Bound::new(parameters, data);
            let begin = thread.open.as_ref().map(|open| open.begin.command);
            bound.bulk = begin == Some(command::COM_STMT_BULK_EXECUTE);
            thread.details.bound = Some(bound);
        } else if parameters.header.flags & flag::CLOSED != 0 {
            let key = key(&parameters.header);
            self.prepared.reset(key, parameters.count);
        } else {
            thread.long = Some(parameters.count);
        }
    }

    fn value(&mut self, thread: &mut Thread, value: &Value, data: &[u8]) {
        if let Some(statement) = thread.long.take() {
            let max = self.parameter_max;
            self.prepared
                .lengthen(key(&value.header), statement, value, data, max);
        } else if let Some(bound) = &mut thread.details.bound {
            bound.add(value, data);
        }
    }

    fn connected(&mut self, thread: &mut Thread, header: &Header, out: &mut Vec<Event>) {
        self.close(thread, out);
        let time_us = self.clock.wall_us(header.time_ns);
        thread.established = true;
        thread.connected_us = Some(time_us);
        thread.message = None;
        let event = self.event(thread.facts.as_ref(), time_us, Kind::Connect, "connect");
        self.push(thread, event, out);
    }

    fn begin(&mut self, thread: &mut Thread, begin: &Begin, data: &[u8], out: &mut Vec<Event>) {
        self.close(thread, out);
        thread.established = true;
        let first = begin.header.flags & flag::PIECE == 0;
        if first {
            let message = thread.message.insert(Message::new(begin, data));
            if self.engine(&begin.header) == Some(engine::POSTGRES)
                && let Some(location) = postgres::location(begin)
            {
                message.skip_to(location, Dialect::Postgres);
            }
            if self.engine(&begin.header) != Some(engine::POSTGRES) {
                self.mysql_begin(thread, begin);
            }
        } else if thread
            .message
            .as_ref()
            .is_none_or(|message| message.call != begin.message_call)
        {
            // The text's own record was lost; its loss is counted where it happened.
            thread.message = None;
        }
        let wall = self.clock.wall_us(begin.header.time_ns);
        let arrival = postgres::arrival_us(begin.statement_start);
        let time_us = arrival
            .filter(|arrival| first && *arrival <= wall)
            .unwrap_or(wall);
        thread.open = Some(Open {
            call: begin.header.call,
            time_us,
            begin: *begin,
            facts: thread.facts.clone(),
            ended: false,
            within: None,
        });
    }

    fn text(&mut self, thread: &mut Thread, text: &Text, data: &[u8], out: &mut Vec<Event>) {
        let call = text.header.call;
        self.close_others(thread, call, out);
        if thread.message.as_ref().is_some_and(Message::is_known) {
            return;
        }
        // A prepared statement's text comes with each end from within, so it may come again.
        let again = text.offset == 0 && thread.message.as_ref().is_some_and(Message::is_complete);
        let message = match &mut thread.message {
            Some(message) if message.call == call && !again => message,
            message => message.insert(Message::starting(call)),
        };
        message.add(text, data);
    }

    fn end(&mut self, thread: &mut Thread, end: &End, data: &[u8], out: &mut Vec<Event>) {
        // The beginning is missing only when it was lost or from before this recorder's time.
        self.close_others(thread, end.header.call, out);
        match self.engine(&end.header) {
            Some(engine::POSTGRES) => self.postgres_end(thread, end, data, out),
            Some(_) => self.mysql_end(thread, end, data, out),
            None => {}
        }
    }

    fn failure(&mut self, thread: &mut Thread, end: &End, data: &[u8], out: &mut Vec<Event>) {
        self.close(thread, out);
        match self.engine(&end.header) {
            Some(engine::POSTGRES) => self.postgres_failure(thread, end, data, out),
            Some(_) => self.mysql_failure(thread, end, data, out),
            None => {}
        }
    }

    fn engine(&self, header: &Header) -> Option<u32> {
        self.targets.get(&header.target).map(|target| target.engine)
    }

    /// Ends what is open when the thread has come to another call.
    fn close_others(&mut self, thread: &mut Thread, call: u64, out: &mut Vec<Event>) {
        if thread.open.as_ref().is_some_and(|open| open.call != call) {
            self.close(thread, out);
        }
    }

    /// Ends what is still open when something else begins on the same thread.
    fn close(&mut self, thread: &mut Thread, out: &mut Vec<Event>) {
        let Some(open) = &mut thread.open else {
            return;
        };
        if postgres::is_suspended(&open.begin) {
            self.postgres_suspended(thread, out);
        } else if let Some((end, message)) = open.within.take() {
            self.mysql_ended(thread, &end, &message, out);
        } else if !self.reports_end(&open.begin) {
            self.mysql_closed(thread, out);
        } else if thread.is_unfinished() {
            self.unfinished(thread, Status::Unknown, out);
        }
        self.abandon(thread);
        thread.open = None;
    }

    /// Ends what is open when recording stops.
    fn running(&mut self, thread: &mut Thread, out: &mut Vec<Event>) {
        let Some(open) = &mut thread.open else {
            return;
        };
        if let Some((end, message)) = open.within.take() {
            self.mysql_ended(thread, &end, &message, out);
        } else if self.is_statement(&open.begin) && thread.is_unfinished() {
            self.unfinished(thread, Status::Running, out);
        }
    }

    /// Whether the server reports the end of what begins so.
    fn reports_end(&self, begin: &Begin) -> bool {
        self.engine(&begin.header) == Some(engine::POSTGRES) || command::reports_end(begin.command)
    }

    /// Whether what begins so is to have a row. Preparing a statement runs nothing.
    fn is_statement(&self, begin: &Begin) -> bool {
        self.engine(&begin.header) == Some(engine::POSTGRES)
            || begin.command != command::COM_STMT_PREPARE
    }

    /// A row for an open statement whose end was not seen.
    fn unfinished(&mut self, thread: &mut Thread, status: Status, out: &mut Vec<Event>) {
        let Some(open) = thread.open.take() else {
            return;
        };
        let name = match self.engine(&open.begin.header) {
            Some(engine::POSTGRES) => command::postgres(open.begin.command),
            _ => command::mysql(open.begin.command),
        };
        let mut event = self.query(open.facts.as_ref(), open.time_us, name);
        event.status = status;
        event.text = thread.message.as_mut().and_then(Message::rest);
        self.push_statement(thread, event, out);
    }

    /// A row of a statement.
    fn query(
        &mut self,
        facts: Option<&Arc<Session>>,
        time_us: i64,
        command: &'static str,
    ) -> Event {
        self.event(facts, time_us, Kind::Query, command)
    }

    /// A row of a session.
    fn event(
        &mut self,
        facts: Option<&Arc<Session>>,
        time_us: i64,
        kind: Kind,
        command: &'static str,
    ) -> Event {
        // It gets its number once it is sure to be kept.
        let mut event = Event::new(0, time_us, kind, command);
        event.session = facts.cloned();
        event
    }

    /// Adds the row of a statement that is over, with what is known of it, and the rows of those that
    /// ran inside it.
    fn push_statement(&mut self, thread: &mut Thread, mut event: Event, out: &mut Vec<Event>) {
        let mut details = std::mem::take(&mut thread.details);
        let types = details.complete(&mut event, self.parameter_max);
        if let Some(types) = types {
            self.prepared.bind(types);
        }
        self.subs_lost += std::mem::take(&mut details.subs_lost);
        let kept = self.push(thread, event, out);
        if let Some(parent) = kept.filter(|_| details.has_subs()) {
            details.take_subs(parent, || self.take_seq(), out);
        }
    }

    /// Adds a row, as the first or a further one of its message, unless the filter leaves it out; gives
    /// its place. One that is on record as running takes that row's place, whatever the filter says.
    fn push(
        &mut self,
        thread: &mut Thread,
        mut event: Event,
        out: &mut Vec<Event>,
    ) -> Option<Place> {
        if self.completes(thread, &mut event) {
            let place = Place::of(&event);
            self.completed.push(event);
            return Some(place);
        }
        if let Some(cause) = self.filter.excludes(&event) {
            *self.filtered.entry(cause).or_default() += 1;
            return None;
        }
        event.seq = self.take_seq();
        event.message_seq = match &mut thread.message {
            Some(message) => *message.first_seq.get_or_insert(event.seq),
            None => event.seq,
        };
        let place = Place::of(&event);
        out.push(event);
        Some(place)
    }
}
