//! Splits a text into a printf format and the literals that fill it.
//!
//! The format is the exact text with `%` doubled and `%s` for each slot, so that the `printf` of
//! SQLite gives the text back. Slots are the literals, the lists of literals and the insides of
//! comments: a comment's delimiters stay in the format, so that the format alone tells code from
//! comment, and two texts of one format have one fingerprint.
//!
//! Takes any text; must never lose or change a byte of it.

use std::ops::Range;

use super::parts::{Part, Parts, Role};
use crate::flow::Dialect;

/// Longest list of placeholders, in bytes, that stays in the format. A prepared statement then has
/// no literals to store; a longer list becomes a slot, so that lists of every length do not fill
/// the dictionary.
pub const PARAMETER_LIST_BYTES_MAX: usize = 256;

/// A text's format and literals. Made once and used again, it keeps its memory.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Shape {
    format: String,
    literals: Vec<Range<usize>>,
}

impl Shape {
    /// The printf format.
    #[must_use]
    pub fn format(&self) -> &str {
        &self.format
    }

    /// Where the slots' contents are in the text: byte offsets, in order, never empty.
    #[must_use]
    pub fn literals(&self) -> &[Range<usize>] {
        &self.literals
    }

    fn clear(&mut self) {
        self.format.clear();
        self.literals.clear();
    }

    fn code(&mut self, code: &str) {
        let mut pieces = code.split('%');
        self.format.push_str(pieces.next().unwrap_or_default());
        for piece in pieces {
            self.format.push_str("%%");
            self.format.push_str(piece);
        }
    }
}

/// Splits `text` into `out`.
pub fn split(text: &str, dialect: Dialect, out: &mut Shape) {
    out.clear();
    let mut copied = 0;
    for part in Parts::new(text.as_bytes(), dialect) {
        let slot = match part.role {
            Role::Literal => part.start..part.end,
            Role::Comment => inside_comment(text.as_bytes(), part, dialect),
            Role::Parameter if part.end - part.start > PARAMETER_LIST_BYTES_MAX => {
                part.start..part.end
            }
            Role::Parameter | Role::Space | Role::Word | Role::Code | Role::Marker => continue,
        };
        if !slot.is_empty() {
            out.code(&text[copied..slot.start]);
            out.format.push_str("%s");
            copied = slot.end;
            out.literals.push(slot);
        }
    }
    out.code(&text[copied..]);
}

/// Where in `text` the words of the comment `part` are.
pub(crate) fn inside_comment(text: &[u8], part: Part, dialect: Dialect) -> Range<usize> {
    let comment = &text[part.start..part.end];
    let Some(body) = comment.strip_prefix(b"/*") else {
        // MariaDB and MySQL begin a comment with dashes and one byte more, which says that it is one.
        let opening = match (comment.first(), dialect) {
            (Some(b'#'), _) => 1,
            (_, Dialect::Postgres) => 2,
            (_, Dialect::Mysql) => 3,
        };
        return (part.start + opening).min(part.end)..part.end;
    };
    let start = part.start + 2;
    start..start + body.strip_suffix(b"*/").unwrap_or(body).len()
}

/// The text that a format and its literals stand for, as SQLite's `printf` makes it. Slots without
/// a literal are empty; literals without a slot are left out.
#[must_use]
pub fn rebuild<'a>(format: &str, literals: impl IntoIterator<Item = &'a str>) -> String {
    let mut literals = literals.into_iter();
    let mut text = String::with_capacity(format.len());
    let mut rest = format;
    while let Some((before, after)) = rest.split_once('%') {
        text.push_str(before);
        if let Some(after) = after.strip_prefix('s') {
            text.push_str(literals.next().unwrap_or_default());
            rest = after;
        } else {
            text.push('%');
            rest = after.strip_prefix('%').unwrap_or(after);
        }
    }
    text.push_str(rest);
    text
}

#[cfg(test)]
mod tests;
