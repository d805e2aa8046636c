//! Where a secret is awaited, and how far the place of secrets reaches.
//!
//! Holds no text and decides nothing that depends on more than the words given to it.

use crate::secrets::names;

/// What made a name known as a secret's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum By {
    /// A word.
    Word,
    /// A quoted name, or a key of JSON.
    Quoted,
    /// A literal, as in `data ->> 'password' = '...'`.
    Literal,
}

/// A secret's name stands right before.
#[derive(Debug, Clone, Copy)]
pub(super) struct Armed {
    pub(super) by: By,
    /// A password must follow; what has no quotes lacks them.
    pub(super) strict: bool,
    /// A number is a secret too.
    pub(super) number: bool,
    /// `SET` stands before the name.
    pub(super) set: bool,
    /// Colons behind the name: one before a value of JSON, two before a type.
    pub(super) colons: u8,
}

impl Armed {
    pub(super) fn new(by: By, name: &str) -> Self {
        Self {
            by,
            strict: false,
            number: names::may_be_number(name),
            set: false,
            colons: 0,
        }
    }

    /// Whether a literal right behind the name is the secret.
    pub(super) fn takes_literal(self) -> bool {
        self.by != By::Literal || self.colons > 0
    }

    /// Whether this is a key of JSON, with its colon.
    pub(super) fn is_key(self) -> bool {
        self.by != By::Word && self.colons == 1
    }
}

/// How far a place of secrets reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Until {
    /// A value: to the comma, the end of the brackets, or the word behind the value.
    Value,
    /// `IDENTIFIED ...`: to the comma, or a word that begins another clause.
    Identified,
    /// To the end of the brackets or of the statement.
    End,
}

/// A place where every literal is a secret.
#[derive(Debug, Clone, Copy)]
pub(super) struct Zone {
    pub(super) until: Until,
    /// How many brackets are around it.
    pub(super) depth: usize,
    /// Something stood there already.
    pub(super) filled: bool,
    /// How many `CASE` are open, whose words end no value.
    pub(super) cases: usize,
    /// What comes next must be a password.
    pub(super) direct: bool,
    /// What comes next is the name of a plugin.
    pub(super) plugin: bool,
    pub(super) strict: bool,
    pub(super) number: bool,
}

impl Zone {
    pub(super) fn new(until: Until, depth: usize) -> Self {
        Self {
            until,
            depth,
            filled: false,
            cases: 0,
            direct: false,
            plugin: false,
            strict: false,
            number: false,
        }
    }

    /// The value of what `armed` named.
    pub(super) fn value(armed: Armed, depth: usize) -> Self {
        Self {
            strict: armed.strict,
            number: armed.number,
            ..Self::new(Until::Value, depth)
        }
    }

    /// Whether what stands here was meant as a password, quoted or not.
    pub(super) fn is_direct(self) -> bool {
        self.direct || (self.strict && !self.filled)
    }

    /// Whether what it is for has not come yet.
    pub(super) fn awaits(self) -> bool {
        self.until != Until::End && !self.filled
    }

    /// Whether it ends before this word, which has `depth` brackets around it; an empty word is a
    /// quoted name.
    pub(super) fn ends_before(&mut self, word: &str, depth: usize) -> bool {
        match self.until {
            Until::End => false,
            Until::Identified => matches!(
                word,
                "require" | "account" | "comment" | "attribute" | "default" | "resource"
            ),
            Until::Value => {
                match word {
                    "case" => self.cases += 1,
                    "end" if self.cases > 0 => self.cases -= 1,
                    _ if self.cases > 0 => {}
                    _ if self.filled && depth == self.depth => return true,
                    _ => {}
                }
                self.filled |= depth == self.depth;
                false
            }
        }
    }
}
