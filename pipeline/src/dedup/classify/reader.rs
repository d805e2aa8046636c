//! Reads a statement's words.
//!
//! Takes a text; gives its words and symbols up to the statement's end, without comments,
//! whitespace and what opens or closes an executable comment.

use super::super::parts::{Parts, Role};
use crate::flow::Dialect;

/// Longest word that is looked at: longer ones are no keywords.
const KEYWORD_BYTES_MAX: usize = 32;

/// What stands at one place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Item<'a> {
    /// An unquoted word.
    Word(&'a [u8]),
    /// One symbol.
    Symbol(u8),
    /// A literal, a placeholder, a list of them or a quoted name.
    Other,
}

impl Item<'_> {
    /// The word in upper case; empty for anything that cannot be a keyword.
    pub(super) fn upper(self) -> String {
        match self {
            Self::Word(word) if word.len() <= KEYWORD_BYTES_MAX && word.is_ascii() => word
                .iter()
                .map(|byte| char::from(byte.to_ascii_uppercase()))
                .collect(),
            Self::Word(_) | Self::Symbol(_) | Self::Other => String::new(),
        }
    }
}

/// Gives the items of one statement, each with the number of brackets around it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reader<'a> {
    text: &'a [u8],
    dialect: Dialect,
    parts: Parts<'a>,
    depth: usize,
    ended: bool,
}

impl<'a> Reader<'a> {
    pub(super) fn new(text: &'a [u8], dialect: Dialect) -> Self {
        Self {
            text,
            dialect,
            parts: Parts::new(text, dialect),
            depth: 0,
            ended: false,
        }
    }

    pub(super) fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// The statement's first word, behind any opening brackets and empty statements.
    pub(super) fn verb(&mut self) -> Option<String> {
        loop {
            match self.next() {
                Some((Item::Symbol(b'('), _)) => self.depth = 0,
                Some((item @ Item::Word(_), _)) => return Some(item.upper()),
                Some(_) => return None,
                // A `;` before any word ends nothing.
                None if self.ended => self.ended = false,
                None => return None,
            }
        }
    }

    /// The words that follow directly, `count` at most.
    pub(super) fn words(mut self, count: usize) -> Vec<String> {
        let mut words = Vec::with_capacity(count + 1);
        while words.len() < count {
            match self.next() {
                Some((item @ Item::Word(_), _)) => words.push(item.upper()),
                _ => break,
            }
        }
        words
    }
}

impl<'a> Iterator for Reader<'a> {
    type Item = (Item<'a>, usize);

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        loop {
            let part = self.parts.next()?;
            let bytes = &self.text[part.start..part.end];
            let item = match (part.role, bytes) {
                (Role::Space | Role::Comment | Role::Marker, _) => continue,
                (Role::Word, word) => Item::Word(word),
                (Role::Code, [symbol]) => Item::Symbol(*symbol),
                (Role::Code | Role::Literal | Role::Parameter, _) => Item::Other,
            };
            let depth = self.depth;
            match item {
                Item::Symbol(b';') if depth == 0 => {
                    self.ended = true;
                    return None;
                }
                Item::Symbol(b'(') => self.depth += 1,
                Item::Symbol(b')') => self.depth = depth.saturating_sub(1),
                Item::Word(_) | Item::Symbol(_) | Item::Other => {}
            }
            return Some((item, depth));
        }
    }
}
