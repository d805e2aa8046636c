//! PostgreSQL: outcomes into rows.

use std::borrow::Cow;

use capture_common::{
    ids::flag,
    record::{Begin, End, NO_COUNT, outcome},
};

use super::{Rows, Thread, command, message::Message, row};
use crate::{
    dedup::{Class, classify},
    flow::{Dialect, Event, Kind, Status, Text},
};

/// 2000-01-01 UTC, where PostgreSQL's clock starts, in microseconds since the Unix epoch
/// (`POSTGRES_EPOCH_JDATE`, datatype/timestamp.h).
const EPOCH_US: i64 = 946_684_800_000_000;

/// `DestRemoteExecute`: a portal of the extended protocol, whose text is one statement.
const EXTENDED: u32 = 3;

/// SQLSTATE classes and codes that end a session which was established before.
const SESSION_ENDS: [&str; 6] = ["57P01", "57P02", "57P05", "25P03", "25P04", "08"];

/// When a message reached the server, if it said so.
pub(super) fn arrival_us(statement_start: i64) -> Option<i64> {
    (statement_start != 0).then(|| statement_start.saturating_add(EPOCH_US))
}

/// The session id as `%c` of `log_line_prefix` shows it: start time and process id in hexadecimal.
pub(super) fn session_id(start: u64, pid: u64) -> String {
    let start = i64::try_from(start)
        .unwrap_or(0)
        .saturating_add(EPOCH_US)
        .div_euclid(1_000_000);
    format!("{start:x}.{pid:x}")
}

/// Five characters of six bits each (`PGSIXBIT`, utils/elog.h).
pub(super) fn sqlstate(packed: u32) -> String {
    (0..5)
        .map(|place| char::from(b'0' + u8::try_from(packed >> (6 * place) & 0x3f).unwrap_or(0)))
        .collect()
}

/// Whether the statement is a portal that stopped at its row limit, which has no end of its own.
pub(super) fn is_suspended(begin: &Begin) -> bool {
    begin.portal != 0 && begin.row_limit != NO_COUNT
}

/// Where the statement starts in its text, when other statements may stand before it.
pub(super) fn location(begin: &Begin) -> Option<u64> {
    u64::try_from(begin.location)
        .ok()
        .filter(|_| begin.command != EXTENDED)
}

impl Rows {
    pub(super) fn postgres_end(
        &mut self,
        thread: &mut Thread,
        end: &End,
        data: &[u8],
        out: &mut Vec<Event>,
    ) {
        let time_us = self.clock.wall_us(end.header.time_ns);
        let Some(open) = thread.open.take() else {
            return;
        };
        let failed = end.outcome != outcome::OK;
        let text = thread.message.as_mut().and_then(|message| {
            // A failure ends the whole message: the server throws the rest away.
            if failed
                || open.begin.command == EXTENDED
                || open.begin.location < 0
                || open.begin.length <= 0
            {
                message.rest()
            } else {
                let end = i64::from(open.begin.location) + i64::from(open.begin.length);
                message.piece(u64::try_from(end).unwrap_or(0), Dialect::Postgres)
            }
        });
        let name = command::postgres(open.begin.command);
        let mut event = self.query(open.facts.as_ref(), open.time_us, name);
        event.duration_us = row::duration(open.time_us, time_us);
        if failed {
            error(&mut event, end, data);
        } else {
            let (tag, processed) = self.tag(end, data);
            rows(&mut event, &tag, processed, text.as_ref());
        }
        event.text = text;
        self.push_statement(thread, event, out);
    }

    pub(super) fn postgres_failure(
        &mut self,
        thread: &mut Thread,
        end: &End,
        data: &[u8],
        out: &mut Vec<Event>,
    ) {
        let time_us = self.clock.wall_us(end.header.time_ns);
        let piece = end.header.flags & flag::PIECE != 0;
        let call = if piece {
            end.message_call
        } else {
            end.header.call
        };
        if thread
            .message
            .as_ref()
            .is_none_or(|message| message.call != call)
        {
            thread.message = None;
        }
        let text = thread.message.as_mut().and_then(Message::rest);
        let login = end.header.flags & flag::LOGIN != 0 && {
            let state = sqlstate(end.code);
            !SESSION_ENDS.iter().any(|ends| state.starts_with(ends))
        };
        let start_us =
            arrival_us(end.statement_start).filter(|start| !piece && !login && *start <= time_us);
        let kind = if login {
            Kind::AuthFailure
        } else {
            Kind::Query
        };
        let name = if login {
            "login"
        } else {
            command::postgres(end.source)
        };
        let start_or_now_us = start_us.unwrap_or(time_us);
        let mut event = self.event(thread.facts.as_ref(), start_or_now_us, kind, name);
        event.duration_us = start_us.and_then(|start| row::duration(start, time_us));
        event.text = text;
        if end.outcome != outcome::EMPTY {
            error(&mut event, end, data);
        } else if event.text.is_none() {
            event.text = Some(Text::default());
        }
        self.push_statement(thread, event, out);
    }

    /// A portal that stopped at its row limit: by the protocol, exactly that many rows were sent.
    pub(super) fn postgres_suspended(&mut self, thread: &mut Thread, out: &mut Vec<Event>) {
        let Some(open) = thread.open.take() else {
            return;
        };
        let text = thread.message.as_mut().and_then(Message::rest);
        let name = command::postgres(EXTENDED);
        let mut event = self.query(open.facts.as_ref(), open.time_us, name);
        event.rows_returned = row::count(open.begin.row_limit);
        // When it stopped was not seen, so it has no duration.
        event.text = text;
        self.push_statement(thread, event, out);
    }

    /// Command tag and rows processed.
    fn tag<'a>(&'a self, end: &End, data: &'a [u8]) -> (Cow<'a, str>, Option<i64>) {
        if end.tag == u32::MAX {
            // PostgreSQL 12 gives the finished tag, `UPDATE 7`.
            let text = String::from_utf8_lossy(data);
            let number = text.rsplit(' ').next().and_then(|last| last.parse().ok());
            return (text, number);
        }
        let target = self.targets.get(&end.header.target);
        let place = usize::try_from(end.tag).unwrap_or(usize::MAX);
        let tag = target.and_then(|target| target.tags.get(place));
        (tag.map_or("", String::as_str).into(), row::count(end.rows))
    }
}

fn error(event: &mut Event, end: &End, data: &[u8]) {
    let state = sqlstate(end.code);
    event.status = Status::Error;
    event.status_code = Some(state.clone());
    event.sqlstate = Some(state);
    event.error_message = row::message(data);
}

/// Puts the rows processed where they belong; tags without rows leave both empty.
fn rows(event: &mut Event, tag: &str, processed: Option<i64>, text: Option<&Text>) {
    let word = tag.split(' ').next().unwrap_or_default();
    match word {
        "SELECT" | "FETCH" => event.rows_returned = processed,
        "INSERT" | "UPDATE" | "DELETE" | "MERGE" | "MOVE" => event.rows_affected = processed,
        "COPY" => {
            let text = text.map(|text| String::from_utf8_lossy(&text.bytes));
            let reads =
                text.is_some_and(|text| classify(&text, Dialect::Postgres).class == Class::Read);
            let rows = if reads {
                &mut event.rows_returned
            } else {
                &mut event.rows_affected
            };
            *rows = processed;
        }
        _ => {}
    }
}
