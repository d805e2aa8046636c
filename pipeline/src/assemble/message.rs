//! The text of one client message, and the pieces that its statements are.
//!
//! Every byte of the text goes to exactly one row, so the pieces joined are the text.

use capture_common::{
    ids::flag,
    record::{Begin, NO_COUNT, Text as TextRecord},
};

use serde::{Deserialize, Serialize};

use super::command;
use crate::{
    dedup::{next_statement, statement_end},
    flow::{Dialect, Text},
};

/// The words that `EXECUTE name` and `EXECUTE IMMEDIATE` begin with.
const EXECUTE: &[u8] = b"execute";
const IMMEDIATE: &[u8] = b"immediate";

/// A text as far as it has arrived.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
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
    /// Whether it was known before: what the server has for it at the end is not taken.
    known: bool,
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

    /// The text of a prepared statement.
    pub(super) fn prepared(call: u64, text: &Text) -> Self {
        Self {
            call,
            bytes: text.bytes.clone(),
            len: Some(text.len),
            complete: true,
            known: true,
            ..Self::default()
        }
    }

    /// Whether the text was known before the statement began.
    pub(super) fn is_known(&self) -> bool {
        self.known
    }

    /// A copy of the whole, as far as it is on record.
    pub(super) fn whole(&self) -> Text {
        Text {
            bytes: self.bytes.clone(),
            len: self.len(),
            truncated: self.is_cut(),
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
            if offset == self.recorded() && self.first_seq.is_none() && !self.gap {
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

    /// Leaves out the statements before `start`: each has a row already, or was lost.
    pub(super) fn skip_to(&mut self, start: u64, dialect: Dialect) {
        let first = || next_statement(&self.bytes, dialect, 0).map(|first| first as u64);
        if start > 0 && first().is_some_and(|first| first < start) {
            self.used = start;
        }
    }

    /// Whether rows have been made of all of it.
    pub(super) fn is_used_up(&self) -> bool {
        self.used > 0 && self.len.is_some_and(|len| self.used >= len)
    }

    /// The piece up to the statement that ends at `end`, with the separator behind it; all that
    /// remains when no further statement follows.
    pub(super) fn piece(&mut self, end: u64, dialect: Dialect) -> Option<Text> {
        let until = match self.at(end) {
            Some(at) if next_statement(&self.bytes, dialect, at).is_some() => {
                self.behind_separator(at)
            }
            Some(_) if !self.is_cut() => self.len(),
            // What follows is not on record.
            _ => end,
        };
        self.cut(until)
    }

    /// The piece that the server says is `len` bytes at `address`, and what stands between the last
    /// piece and it: nothing, unless an end was lost.
    pub(super) fn piece_at(&mut self, address: u64, len: u64) -> (Option<Text>, Option<Text>) {
        let start = self.next_start();
        // What EXECUTE runs has a text of its own elsewhere, so the address says nothing about the
        // client's; and it may not be known.
        if address == 0 || self.is_execute(start) {
            return (None, self.next_piece(start));
        }
        let base = *self.address.get_or_insert(address.wrapping_sub(start));
        let at = address.wrapping_sub(base);
        if at < start || at > self.len() {
            return (None, self.next_piece(start));
        }
        let between = self
            .at(start)
            .and_then(|start| next_statement(&self.bytes, Dialect::Mysql, start));
        let lost = between.is_some_and(|statement| (statement as u64) < at);
        let before = if lost { self.cut(at) } else { None };
        (before, self.piece(at.saturating_add(len), Dialect::Mysql))
    }

    /// The next piece as the text itself shows it.
    fn next_piece(&mut self, start: u64) -> Option<Text> {
        let end = self.at(start).map_or(self.len(), |start| {
            statement_end(&self.bytes, Dialect::Mysql, start) as u64
        });
        self.piece(end, Dialect::Mysql)
    }

    /// Whether the next piece is the last, and runs a prepared statement by its name.
    pub(super) fn ends_with_execute(&self) -> bool {
        let start = self.next_start();
        let Some(next) = self.execute(start) else {
            return false;
        };
        let end = self
            .at(start)
            .map(|start| statement_end(&self.bytes, Dialect::Mysql, start));
        !self.is_word(next, IMMEDIATE)
            && end.is_some_and(|end| next_statement(&self.bytes, Dialect::Mysql, end).is_none())
    }

    fn is_execute(&self, start: u64) -> bool {
        self.execute(start).is_some()
    }

    /// Where it goes on behind the `EXECUTE` that the statement at `start` begins with.
    fn execute(&self, start: u64) -> Option<usize> {
        let start = self.at(start)?;
        let word = next_statement(&self.bytes, Dialect::Mysql, start)?;
        let behind = word + EXECUTE.len();
        self.is_word(word, EXECUTE)
            .then(|| next_statement(&self.bytes, Dialect::Mysql, behind))?
    }

    fn is_word(&self, at: usize, word: &[u8]) -> bool {
        let found = self.bytes.get(at..at + word.len());
        found.is_some_and(|found| found.eq_ignore_ascii_case(word))
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
        // A length that is not known sets no limit: the text's end was lost.
        let until = until.min(self.len.unwrap_or(u64::MAX)).max(self.used);
        let (used, len) = (self.used, self.len());
        if until == used && until > 0 {
            let lost = self.len.is_none() && !self.complete;
            return lost.then(|| Text {
                truncated: true,
                ..Text::default()
            });
        }
        self.used = until;
        let truncated = until >= len && self.is_cut();
        if used == 0 && until == len {
            // What is used up is known by its length alone from here on.
            self.len.get_or_insert(len);
            return Some(Text {
                bytes: std::mem::take(&mut self.bytes),
                len,
                truncated,
            });
        }
        let range = self.recorded_up_to(used)..self.recorded_up_to(until);
        let bytes = self.bytes.get(range)?.to_vec();
        let len = until - used;
        Some(Text {
            truncated: truncated || bytes.len() as u64 != len,
            bytes,
            len,
        })
    }

    fn recorded_up_to(&self, offset: u64) -> usize {
        self.at(offset).unwrap_or(self.bytes.len())
    }
}
