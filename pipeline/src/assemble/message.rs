//! The text of one client message, and the pieces that its statements are.
//!
//! Every byte of the text goes to exactly one row, so the pieces joined are the text.

use capture_common::{
    ids::flag,
    record::{Begin, NO_COUNT, Text as TextRecord},
};

use super::command;
use crate::{
    dedup::{next_statement, statement_end},
    flow::{Dialect, Text},
};

/// The word that `EXECUTE name` and `EXECUTE IMMEDIATE` begin with.
const EXECUTE: &[u8] = b"execute";

/// A text as far as it has arrived.
#[derive(Debug, Clone, Default)]
pub(super) struct Message {
    /// The call whose records carry it.
    pub(super) call: u64,
    /// `seq` of the first row that was made of it.
    pub(super) first_seq: Option<i64>,
    bytes: Vec<u8>,
    /// True length, when known.
    len: Option<u64>,
    /// Whether all that is to be recorded has arrived.
    complete: bool,
    /// Whether something between was lost: bytes behind it are not taken.
    gap: bool,
    /// How far rows have been made of it.
    used: u64,
    /// Address of the text in the server, once a piece has shown it (MariaDB, MySQL).
    address: Option<u64>,
}

impl Message {
    pub(super) fn new(begin: &Begin, data: &[u8]) -> Self {
        let mut message = Self {
            call: begin.header.call,
            ..Self::default()
        };
        message.take(begin.header.flags, begin.text_len, 0, data);
        message
    }

    /// A text whose first bytes come with the next record.
    pub(super) fn starting(call: u64) -> Self {
        Self {
            call,
            ..Self::default()
        }
    }

    pub(super) fn add(&mut self, text: &TextRecord, data: &[u8]) {
        self.take(text.header.flags, text.text_len, text.offset, data);
    }

    fn take(&mut self, flags: u16, len: u64, offset: u64, data: &[u8]) {
        if len != NO_COUNT {
            self.len = Some(len);
        }
        if !data.is_empty() {
            if offset == self.bytes.len() as u64 && !self.gap {
                self.bytes.extend_from_slice(data);
            } else {
                self.gap = true;
            }
        }
        self.complete |= flags & flag::LAST != 0 && flags & flag::UNREADABLE == 0;
    }

    /// Whether all of the text that is to be recorded has arrived.
    pub(super) fn is_complete(&self) -> bool {
        self.complete
    }

    /// Whether the text was given at all.
    pub(super) fn is_empty(&self) -> bool {
        self.bytes.is_empty() && self.len.unwrap_or(0) == 0
    }

    fn recorded(&self) -> u64 {
        self.bytes.len() as u64
    }

    fn len(&self) -> u64 {
        // A length that is not known is at least what was recorded.
        self.len.unwrap_or(0).max(self.recorded())
    }

    /// Whether less than the whole is on record.
    fn is_cut(&self) -> bool {
        self.gap || !self.complete || self.len() > self.recorded()
    }

    /// Where the next piece starts. MariaDB and MySQL leave out the white space before the first
    /// (`my_isspace`).
    fn next_start(&self) -> u64 {
        if self.used > 0 {
            return self.used;
        }
        let is_space = |byte: &u8| matches!(byte, b' ' | b'\t'..=b'\r');
        self.bytes.iter().take_while(|byte| is_space(byte)).count() as u64
    }

    /// Whether a statement remains of which no row was made.
    pub(super) fn has_more(&self, command: u32) -> bool {
        command::has_pieces(command)
            && self.used > 0
            && self
                .at(self.used)
                .is_some_and(|at| next_statement(&self.bytes, Dialect::Mysql, at).is_some())
    }

    fn at(&self, offset: u64) -> Option<usize> {
        usize::try_from(offset)
            .ok()
            .filter(|offset| *offset <= self.bytes.len())
    }

    /// The piece up to the statement that ends at `end`, with the separator behind it; all that
    /// remains when no further statement follows, or when what follows is not on record.
    pub(super) fn piece(&mut self, end: u64, dialect: Dialect) -> Option<Text> {
        let until = match self.at(end) {
            None => self.len(),
            Some(at) if next_statement(&self.bytes, dialect, at).is_some() => {
                self.behind_separator(at)
            }
            Some(_) if self.is_cut() => end,
            Some(_) => self.len(),
        };
        self.cut(until)
    }

    /// The piece that the server says is `len` bytes at `address`, and what stands between the last
    /// piece and it: nothing, unless an end was lost.
    pub(super) fn piece_at(&mut self, address: u64, len: u64) -> (Option<Text>, Option<Text>) {
        let start = self.next_start();
        // What EXECUTE runs has a text of its own elsewhere, so the address says nothing about the
        // client's.
        if self.is_execute(start) {
            return (None, self.next_piece(start));
        }
        let base = *self.address.get_or_insert(address.wrapping_sub(start));
        let at = address.wrapping_sub(base);
        if at < start || at > self.len() {
            return (None, self.next_piece(start));
        }
        let before = if at > start { self.cut(at) } else { None };
        (before, self.piece(at.saturating_add(len), Dialect::Mysql))
    }

    /// The next piece as the text itself shows it.
    fn next_piece(&mut self, start: u64) -> Option<Text> {
        let end = self.at(start).map_or(self.len(), |start| {
            statement_end(&self.bytes, Dialect::Mysql, start) as u64
        });
        self.piece(end, Dialect::Mysql)
    }

    /// Whether the next piece runs a prepared statement by its name.
    pub(super) fn is_execute_next(&self) -> bool {
        self.is_execute(self.next_start())
    }

    /// Whether the next piece is the last.
    pub(super) fn is_last(&self) -> bool {
        let end = self
            .at(self.next_start())
            .map(|start| statement_end(&self.bytes, Dialect::Mysql, start));
        end.is_none_or(|end| next_statement(&self.bytes, Dialect::Mysql, end).is_none())
    }

    fn is_execute(&self, start: u64) -> bool {
        let word = self
            .at(start)
            .and_then(|start| next_statement(&self.bytes, Dialect::Mysql, start));
        let word = word.and_then(|word| self.bytes.get(word..word + EXECUTE.len()));
        word.is_some_and(|word| word.eq_ignore_ascii_case(EXECUTE))
    }

    /// All that remains.
    pub(super) fn rest(&mut self) -> Option<Text> {
        let len = self.len();
        self.cut(len)
    }

    fn behind_separator(&self, from: usize) -> u64 {
        let is_separator = |byte: &u8| matches!(byte, b';' | b' ' | b'\t'..=b'\r');
        let skipped = self
            .bytes
            .get(from..)
            .unwrap_or_default()
            .iter()
            .take_while(|byte| is_separator(byte))
            .count();
        (from + skipped) as u64
    }

    fn cut(&mut self, until: u64) -> Option<Text> {
        let until = until.clamp(self.used, self.len());
        if until == self.used && until > 0 {
            return None;
        }
        let whole = self.used == 0 && until == self.len();
        let text = if whole {
            let truncated = self.is_cut();
            // What is used up is known by its length alone from here on.
            let len = self.len();
            self.len = Some(len);
            Text {
                bytes: std::mem::take(&mut self.bytes),
                len,
                truncated,
            }
        } else {
            let start = self.at(self.used.min(self.recorded()))?;
            let end = self.at(until.min(self.recorded()))?;
            let bytes = self.bytes.get(start..end)?.to_vec();
            let len = until - self.used;
            let truncated = bytes.len() as u64 != len || (until == self.len() && self.is_cut());
            Text {
                bytes,
                len,
                truncated,
            }
        };
        self.used = until;
        Some(text)
    }
}
