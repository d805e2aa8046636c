//! The text of one client message, and the pieces that its statements are.
//!
//! Every byte of the text goes to exactly one row, so the pieces joined are the text.

use capture_common::{
    ids::flag,
    record::{Begin, NO_COUNT, Text as TextRecord},
};

use super::command;
use crate::{
    dedup::next_statement,
    flow::{Dialect, Text},
};

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
}

impl Message {
    pub(super) fn new(begin: &Begin, data: &[u8]) -> Self {
        let mut message = Self { call: begin.header.call, ..Self::default() };
        message.take(begin.header.flags, begin.text_len, 0, data);
        message
    }

    /// A text whose first bytes come with the next record.
    pub(super) fn starting(call: u64) -> Self {
        Self { call, ..Self::default() }
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

    /// Where the text without the white space at its start begins (`my_isspace`), which is where
    /// MariaDB and MySQL count from.
    pub(super) fn trimmed(&self) -> u64 {
        let is_space = |byte: &u8| matches!(byte, b' ' | b'\t'..=b'\r');
        self.bytes.iter().take_while(|byte| is_space(byte)).count() as u64
    }

    /// How far rows have been made of it.
    pub(super) fn used(&self) -> u64 {
        self.used
    }

    /// Whether a statement remains of which no row was made.
    pub(super) fn has_more(&self, command: u32) -> bool {
        command::has_pieces(command)
            && self.used > 0
            && self.at(self.used).is_some_and(|at| next_statement(&self.bytes, Dialect::Mysql, at).is_some())
    }

    fn at(&self, offset: u64) -> Option<usize> {
        usize::try_from(offset).ok().filter(|offset| *offset <= self.bytes.len())
    }

    /// The piece up to the statement that ends at `end`, with the separator behind it; all that
    /// remains when no further statement follows, or when what follows is not on record.
    pub(super) fn piece(&mut self, end: u64, dialect: Dialect) -> Option<Text> {
        let until = match self.at(end) {
            None => self.len(),
            Some(at) if next_statement(&self.bytes, dialect, at).is_some() => self.behind_separator(at),
            Some(_) if self.is_cut() => end,
            Some(_) => self.len(),
        };
        self.cut(until)
    }

    /// What stands before `start`.
    pub(super) fn before(&mut self, start: u64) -> Option<Text> {
        self.cut(start)
    }

    /// All that remains.
    pub(super) fn rest(&mut self) -> Option<Text> {
        let len = self.len();
        self.cut(len)
    }

    fn behind_separator(&self, from: usize) -> u64 {
        let is_separator = |byte: &u8| matches!(byte, b';' | b' ' | b'\t'..=b'\r');
        let skipped = self.bytes.get(from..).unwrap_or_default().iter().take_while(|byte| is_separator(byte)).count();
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
            Text { bytes: std::mem::take(&mut self.bytes), len, truncated }
        } else {
            let start = self.at(self.used.min(self.recorded()))?;
            let end = self.at(until.min(self.recorded()))?;
            let bytes = self.bytes.get(start..end)?.to_vec();
            let len = until - self.used;
            let truncated = bytes.len() as u64 != len || (until == self.len() && self.is_cut());
            Text { bytes, len, truncated }
        };
        self.used = until;
        Some(text)
    }
}
