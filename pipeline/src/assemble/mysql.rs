//! MariaDB and MySQL: outcomes into rows.

use capture_common::{
    ids::flag,
    record::{End, outcome},
};

use super::{Assembler, Thread, command, message::Message, row};
use crate::flow::{Dialect, Event, Kind, Status, Text};

impl Assembler {
    pub(super) fn mysql_end(&mut self, thread: &mut Thread, end: &End, data: &[u8], out: &mut Vec<Event>) {
        let time_us = self.clock.wall_us(end.header.time_ns);
        let Some(open) = thread.open.as_mut() else { return };
        let start_us = open.time_us;
        // The next piece starts where this one ends.
        open.time_us = time_us;
        open.ended = true;
        let number = end.source;
        if number == command::COM_STMT_PREPARE && end.outcome != outcome::ERROR {
            return;
        }
        let pieces = command::has_pieces(number);
        let failed = end.outcome == outcome::ERROR;
        let (before, text) = match &mut thread.message {
            Some(message) if pieces => pieces_of(message, end, failed),
            Some(message) if !message.is_empty() => (None, message.rest()),
            _ => (None, None),
        };
        if let Some(text) = before {
            // The server ended a later piece: the end of what stands before it was lost.
            let mut event = self.event(thread, start_us, Kind::Query, command::mysql(number));
            event.status = Status::Unknown;
            event.text = Some(text);
            self.push(thread, event, out);
        }
        let mut event = self.event(thread, start_us, Kind::Query, command::mysql(number));
        event.duration_us = row::duration(start_us, time_us);
        event.text = text;
        match end.outcome {
            outcome::ERROR => error(&mut event, end, data),
            outcome::RESULT_SET => event.rows_returned = row::count(end.rows_sent),
            outcome::OK => event.rows_affected = row::count(end.rows),
            _ => {}
        }
        self.push(thread, event, out);
    }

    pub(super) fn mysql_failure(&mut self, thread: &mut Thread, end: &End, data: &[u8], out: &mut Vec<Event>) {
        let time_us = self.clock.wall_us(end.header.time_ns);
        thread.message = None;
        let login = end.header.flags & flag::LOGIN != 0;
        let (kind, name) = if login {
            (Kind::AuthFailure, "login")
        } else {
            (Kind::Query, "connection")
        };
        let mut event = self.event(thread, time_us, kind, name);
        error(&mut event, end, data);
        self.push(thread, event, out);
    }
}

/// What of the text stands before the piece that ended (nothing, unless an end was lost), and the piece.
fn pieces_of(message: &mut Message, end: &End, failed: bool) -> (Option<Text>, Option<Text>) {
    let start = message.trimmed() + end.piece_offset;
    let before = if start > message.used() && message.used() > 0 {
        message.before(start)
    } else {
        None
    };
    let piece = if failed { message.rest() } else { message.piece(start + end.piece_len, Dialect::Mysql) };
    (before, piece)
}

fn error(event: &mut Event, end: &End, data: &[u8]) {
    event.status = Status::Error;
    event.status_code = Some(end.code.to_string());
    let state = end.sqlstate.get(..5).unwrap_or_default();
    if state.iter().all(u8::is_ascii_alphanumeric) {
        event.sqlstate = Some(String::from_utf8_lossy(state).into_owned());
    }
    event.error_message = row::message(data);
}
