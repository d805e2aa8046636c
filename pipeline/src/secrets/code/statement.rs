//! What is known of the statement and the brackets around a place.
//!
//! Holds no text and decides nothing that depends on more than the words given to it.

use std::ops::Range;

use crate::{
    flow::Dialect,
    secrets::names::{self, Arguments},
};

/// A statement as far as it was read.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Statement {
    /// It makes or changes a user: a literal in it is a password unless it is known to be a name.
    pub(super) role: bool,
    /// It sets a password, so `REPLACE` is followed by the old one.
    pub(super) passwords: bool,
    /// In `SET PASSWORD FOR`: whether the account's name is there already.
    pub(super) account: Option<bool>,
}

impl Statement {
    /// Takes note of a word and the one before it.
    pub(super) fn take(&mut self, word: &str, previous: &Previous) {
        match word {
            "user" | "role" | "group" => {
                let makes = ["create", "alter", "replace"]
                    .iter()
                    .any(|verb| previous.is_word(verb));
                self.role |= makes;
                self.passwords |= makes;
            }
            // What follows are settings, or options by name.
            "set" | "mapping" => self.role = false,
            "identified" => self.passwords = true,
            "password" => self.passwords |= previous.is_word("set"),
            _ => {}
        }
    }

    /// Part of an account's name may stand here.
    pub(super) fn fill_account(&mut self) {
        if let Some(named) = &mut self.account {
            *named = true;
        }
    }
}

/// What stands before a place, whitespace and comments left out.
#[derive(Debug, Clone, Default)]
pub(super) struct Previous {
    word: String,
    symbol: Option<u8>,
    /// The literal that is compared with what follows.
    compared: Option<Compared>,
}

/// A literal on the left of a comparison.
#[derive(Debug, Clone)]
pub(super) struct Compared {
    /// What to mask of it.
    pub(super) range: Range<usize>,
    /// Whether that is the whole literal.
    pub(super) bare: bool,
}

impl Previous {
    pub(super) fn word(word: String) -> Self {
        Self {
            word,
            ..Self::default()
        }
    }

    /// A value of any kind.
    pub(super) fn operand() -> Self {
        Self::default()
    }

    pub(super) fn literal(range: Range<usize>, bare: bool) -> Self {
        Self {
            compared: Some(Compared { range, bare }),
            ..Self::default()
        }
    }

    /// A symbol follows.
    pub(super) fn symbol(&mut self, byte: u8) {
        self.word.clear();
        self.symbol = Some(byte);
        if !matches!(byte, b'=' | b'<' | b'>' | b'!') {
            self.compared = None;
        }
    }

    pub(super) fn is_word(&self, word: &str) -> bool {
        self.word == word
    }

    pub(super) fn is_symbol(&self, byte: u8) -> bool {
        self.symbol == Some(byte)
    }

    /// The literal that is compared with what stands here.
    pub(super) fn compared(&mut self) -> Option<Compared> {
        self.symbol?;
        self.compared.take()
    }

    /// Whether a literal here, in a statement about users, is a name or another known text.
    pub(super) fn is_before_a_name(&self) -> bool {
        matches!(self.symbol, Some(b'@' | b','))
            || matches!(
                &*self.word,
                "user"
                    | "role"
                    | "group"
                    | "exists"
                    | "until"
                    | "comment"
                    | "attribute"
                    | "subject"
                    | "issuer"
                    | "cipher"
                    | "to"
                    | "for"
            )
    }

    /// The brackets that open here.
    pub(super) fn call(&self, dialect: Dialect, around: Option<&Call>) -> Call {
        let arguments = names::arguments(&self.word, dialect);
        Call {
            argument: 0,
            secret_from: match arguments {
                _ if around.is_some_and(Call::is_secret) => Some(0),
                Some(Arguments::From(first)) => Some(first),
                _ => None,
            },
            named: arguments == Some(Arguments::Named),
            connection: arguments == Some(Arguments::Connection)
                || around.is_some_and(|call| call.connection),
            number: matches!(&*self.word, "password" | "old_password"),
            options: self.word == "options",
        }
    }
}

/// Brackets, and the function whose arguments are in them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Call {
    /// How many commas there were.
    pub(super) argument: usize,
    /// From which argument on literals are secrets.
    secret_from: Option<usize>,
    /// An argument that is a secret's name is followed by the secret.
    pub(super) named: bool,
    /// Its literals are connection strings.
    pub(super) connection: bool,
    /// Numbers are secrets too.
    pub(super) number: bool,
    /// It is a list of options.
    pub(super) options: bool,
}

impl Call {
    /// Whether a literal here is a secret.
    pub(super) fn is_secret(&self) -> bool {
        self.secret_from.is_some_and(|first| first <= self.argument)
    }
}
