//! MariaDB and MySQL: outcomes into rows.

use capture_common::{
    ids::flag,
    record::{Begin, End, outcome},
};

use super::{Rows, Thread, command, details::Details, key, message::Message, row};
use crate::{
    dedup::lex::{self, Lexer},
    flow::{Dialect, Event, Kind, Status, Text},
};

/// First words of the statements whose rows the servers count as they send them.
const COUNTED: [&[u8]; 8] = [
    b"select", b"with", b"values", b"table", b"insert", b"replace", b"delete", b"update",
];

impl Rows {
    /// A command begins: nothing of what came before belongs to it.
    pub(super) fn mysql_begin(&mut self, thread: &mut Thread, begin: &Begin) {
        thread.details = Details::default();
        let key = key(&begin.header);
        if command::ends_prepared(begin.command) {
            self.prepared.forget(key);
        }
        if command::executes(begin.command) {
            let (execution, text) = self.prepared.execute(key, begin.prepared_id);
            thread.message = text.map(|text| Message::prepared(begin.header.call, text));
            thread
                .message
                .get_or_insert_with(|| Message::starting(begin.header.call));
            thread.details.execution = Some(execution);
        }
    }

    pub(super) fn mysql_end(
        &mut self,
        thread: &mut Thread,
        end: &End,
        data: &[u8],
        out: &mut Vec<Event>,
    ) {
        if end.header.flags & flag::NESTED != 0 && !self.counts(thread, end) {
            if let Some(open) = &mut thread.open {
                open.within = Some((*end, data.to_vec()));
            }
            return;
        }
        self.mysql_ended(thread, end, data, out);
    }

    /// Whether an end from within is the command's own. A prepared statement reports its end one call
    /// below the command; whatever a stored program inside it runs reports from deeper in the stack.
    /// `EXECUTE` in a text is followed by the command's own report, but for `EXECUTE name` at its end
    /// that goes well.
    fn counts(&mut self, thread: &Thread, end: &End) -> bool {
        let message = thread.message.as_ref();
        let failed = end.outcome == outcome::ERROR;
        let is_last = || message.is_some_and(Message::ends_with_execute);
        if command::has_pieces(end.source) && (failed || !is_last()) {
            return false;
        }
        let nearest = self
            .shared
            .nearest
            .entry((end.header.target, end.source))
            .or_insert(u32::MAX);
        if end.tag < *nearest {
            *nearest = end.tag;
            self.shared.changed = true;
        }
        end.tag == *nearest
    }

    /// A row for an end that counts.
    pub(super) fn mysql_ended(
        &mut self,
        thread: &mut Thread,
        end: &End,
        data: &[u8],
        out: &mut Vec<Event>,
    ) {
        let time_us = self.clock.wall_us(end.header.time_ns);
        let Some(open) = thread.open.as_mut() else {
            return;
        };
        let failed = end.outcome == outcome::ERROR;
        if open.ended && command::has_one_end(end.source) {
            // Some versions let the command report after what it ran has done so.
            return;
        }
        if open.ended && failed && thread.message.as_ref().is_some_and(Message::is_used_up) {
            // The statement had ended: the error is the connection's.
            return self.mysql_failure(thread, end, data, out);
        }
        if end.source == command::COM_STMT_PREPARE && !failed {
            open.ended = true;
            return;
        }
        let start_us = open.time_us;
        // The next piece starts where this one ends.
        open.time_us = time_us;
        open.ended = true;
        open.within = None;
        let facts = open.facts.clone();
        let number = end.source;
        let (before, text) = match &mut thread.message {
            // A failure ends the whole text: the server throws the rest away.
            Some(message) if command::has_pieces(number) && !failed => {
                // The server runs a comment behind the last statement, which is on that one's row.
                if message.is_used_up() {
                    return;
                }
                message.piece_at(end.piece_address, end.piece_len)
            }
            Some(message) if !message.is_empty() => (None, message.rest()),
            Some(_) if command::has_pieces(number) => (None, Some(Text::default())),
            _ => (None, None),
        };
        let name = command::mysql(number);
        if let Some(text) = before {
            // The server ended a later piece: the end of what stands before it was lost.
            let mut event = self.query(facts.as_ref(), start_us, name);
            event.status = Status::Unknown;
            event.text = Some(text);
            self.push(thread, event, out);
        }
        let mut event = self.query(facts.as_ref(), start_us, name);
        event.duration_us = row::duration(start_us, time_us);
        event.text = text;
        match end.outcome {
            outcome::ERROR => error(&mut event, end, data),
            outcome::RESULT_SET => {
                event.rows_returned = rows_returned(end.rows_sent, event.text.as_ref());
            }
            outcome::OK => event.rows_affected = row::count(end.rows),
            _ => {}
        }
        self.push_statement(thread, event, out);
    }

    /// A command that runs no SQL is over, and no error was reported: it went well. When it ended was
    /// not seen.
    pub(super) fn mysql_closed(&mut self, thread: &mut Thread, out: &mut Vec<Event>) {
        let Some(open) = thread.open.take() else {
            return;
        };
        if open.ended || !self.is_statement(&open.begin) {
            return;
        }
        let name = command::mysql(open.begin.command);
        let mut event = self.query(open.facts.as_ref(), open.time_us, name);
        event.text = thread
            .message
            .as_mut()
            .filter(|message| !message.is_empty())
            .and_then(Message::rest);
        self.push_statement(thread, event, out);
    }

    pub(super) fn mysql_failure(
        &mut self,
        thread: &mut Thread,
        end: &End,
        data: &[u8],
        out: &mut Vec<Event>,
    ) {
        let time_us = self.clock.wall_us(end.header.time_ns);
        thread.message = None;
        let login = end.header.flags & flag::LOGIN != 0;
        let (kind, name) = if login {
            (Kind::AuthFailure, "login")
        } else {
            (Kind::Query, "connection")
        };
        let mut event = self.event(thread.facts.as_ref(), time_us, kind, name);
        error(&mut event, end, data);
        self.push_statement(thread, event, out);
    }
}

/// Rows of a result. Many others than queries (`SHOW CREATE TABLE`, `CHECK TABLE`, `HANDLER`) send rows
/// that the server does not count, so its 0 says nothing; `ANALYZE` counts those that it looks at, too.
pub(super) fn rows_returned(sent: u64, text: Option<&Text>) -> Option<i64> {
    let sent = row::count(sent)?;
    let bytes = text.map_or(&b""[..], |text| &text.bytes);
    let first = Lexer::new(bytes, Dialect::Mysql)
        .find(|token| token.kind == lex::Kind::Word)
        .map_or(&b""[..], |token| token.of(bytes));
    let is_known = match sent {
        0 => COUNTED.iter().any(|word| first.eq_ignore_ascii_case(word)),
        _ => !first.eq_ignore_ascii_case(b"analyze"),
    };
    is_known.then_some(sent)
}

fn error(event: &mut Event, end: &End, data: &[u8]) {
    event.status = Status::Error;
    event.status_code = Some(end.code.to_string());
    event.sqlstate = sqlstate(end.sqlstate);
    event.error_message = row::message(data);
}

/// SQLSTATE as the server keeps it: five characters and NUL.
pub(super) fn sqlstate(bytes: [u8; 8]) -> Option<String> {
    let state = bytes.get(..5)?;
    let valid = state.iter().all(u8::is_ascii_alphanumeric);
    valid.then(|| String::from_utf8_lossy(state).into_owned())
}
