//! Cuts a SQL text into tokens: every byte belongs to exactly one of them, in order.
//!
//! Takes any bytes at all, in either dialect; gives [`Token`]s. It must never fail, and never look
//! at a byte more than a fixed number of times: what is not terminated runs to the end, what means
//! nothing is a [`Kind::Symbol`]. In UTF-8 text every token begins and ends between characters.
//!
//! Settings of a session that change the reading cannot be seen from here. The servers' defaults
//! are taken: `standard_conforming_strings` on, `ANSI_QUOTES` and `NO_BACKSLASH_ESCAPES` off. What must
//! not depend on them reads a text in every [`Quoting`].

mod scan;

use crate::flow::Dialect;

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Whitespace.
    Space,
    /// A comment, with its delimiters but without the line end that closes it.
    Comment,
    /// Where an executable comment of MariaDB and MySQL begins (`/*!50100`, `/*M!`, `/*+`) or
    /// ends (`*/`): what is between is code.
    Marker,
    /// A keyword or an unquoted identifier.
    Word,
    /// A quoted identifier.
    Quoted,
    /// A string literal with its prefix, and the pieces that the server joins to it.
    Text,
    /// A number without its sign.
    Number,
    /// A placeholder of a bind value: `$1` (PostgreSQL) or `?` (MariaDB, MySQL).
    Parameter,
    /// Any other byte; operators of several bytes are several symbols.
    Symbol,
}

/// One token: `start..end` are byte offsets, never empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Token {
    /// What it is.
    pub kind: Kind,
    /// First byte.
    pub start: usize,
    /// One behind the last byte.
    pub end: usize,
}

impl Token {
    /// The token's bytes within the text that it was cut from.
    #[must_use]
    pub fn of<'a>(&self, bytes: &'a [u8]) -> &'a [u8] {
        &bytes[self.start..self.end]
    }
}

/// What a session's settings make of a backslash within quotes. All readings of a text without a
/// backslash are the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quoting {
    /// As the servers have it by default.
    Usual,
    /// `standard_conforming_strings` off (PostgreSQL), `NO_BACKSLASH_ESCAPES` (MariaDB, MySQL).
    Turned,
    /// `ANSI_QUOTES` (MariaDB, MySQL): no escapes within `"`. What stands there is still taken for a
    /// literal.
    Ansi,
}

impl Quoting {
    /// Every reading that a session of this dialect can have, the usual one first.
    #[must_use]
    pub fn all(dialect: Dialect) -> &'static [Self] {
        match dialect {
            Dialect::Postgres => &[Self::Usual, Self::Turned],
            Dialect::Mysql => &[Self::Usual, Self::Turned, Self::Ansi],
        }
    }

    /// The readings of `text` that may differ.
    #[must_use]
    pub fn of(text: &[u8], dialect: Dialect) -> &'static [Self] {
        if text.contains(&b'\\') {
            Self::all(dialect)
        } else {
            &[Self::Usual]
        }
    }

    /// Whether a backslash takes the next byte with it within `quote`, where no prefix says so.
    #[must_use]
    pub fn escapes(self, dialect: Dialect, quote: u8) -> bool {
        match (dialect, self) {
            (Dialect::Postgres, Self::Turned) => quote == b'\'',
            (Dialect::Postgres, Self::Usual | Self::Ansi) | (Dialect::Mysql, Self::Turned) => false,
            (Dialect::Mysql, Self::Usual) => quote != b'`',
            (Dialect::Mysql, Self::Ansi) => quote == b'\'',
        }
    }
}

/// Gives the tokens of a text. A copy is a place to come back to.
#[derive(Debug, Clone, Copy)]
pub struct Lexer<'a> {
    bytes: &'a [u8],
    at: usize,
    dialect: Dialect,
    quoting: Quoting,
    /// Inside an executable comment.
    executable: bool,
    /// The last token could be the left side of a `.`.
    after_name: bool,
    /// The last token was the `.` of a qualified name.
    after_dot: bool,
}

impl<'a> Lexer<'a> {
    /// Begins at the text's first byte.
    #[must_use]
    pub fn new(bytes: &'a [u8], dialect: Dialect) -> Self {
        Self::at(bytes, dialect, 0)
    }

    /// Begins at byte `at`, which must not be inside a token.
    #[must_use]
    pub fn at(bytes: &'a [u8], dialect: Dialect, at: usize) -> Self {
        Self {
            bytes,
            at: at.min(bytes.len()),
            dialect,
            quoting: Quoting::Usual,
            executable: false,
            after_name: false,
            after_dot: false,
        }
    }

    /// Reads quotes as `quoting` says.
    #[must_use]
    pub fn quoting(self, quoting: Quoting) -> Self {
        Self { quoting, ..self }
    }

    /// The text being read.
    #[must_use]
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Offset of the next token.
    #[must_use]
    pub fn position(&self) -> usize {
        self.at
    }

    /// How it is read.
    #[must_use]
    pub fn dialect(&self) -> Dialect {
        self.dialect
    }

    fn peek(&self, offset: usize) -> Option<u8> {
        self.bytes.get(self.at + offset).copied()
    }

    fn is_mysql(&self) -> bool {
        self.dialect == Dialect::Mysql
    }

    fn escapes(&self, quote: u8) -> scan::Escapes {
        if self.quoting.escapes(self.dialect, quote) {
            scan::Escapes::Backslash
        } else {
            scan::Escapes::None
        }
    }

    /// Whether a `.` here belongs to a qualified name, so that digits behind it are a name.
    fn names_follow(&self) -> bool {
        self.is_mysql() && (self.after_name || self.after_dot)
    }

    /// A word, or the literal or quoted identifier that it is the prefix of.
    fn word(&self) -> (Kind, usize) {
        let end = scan::word(self.bytes, self.at + 1);
        let word = &self.bytes[self.at..end];
        let quote = match self.bytes.get(end) {
            Some(quote @ (b'\'' | b'"' | b'&')) => *quote,
            _ => return (Kind::Word, end),
        };
        match (self.dialect, word, quote) {
            (Dialect::Postgres, [b'e' | b'E'], b'\'') => {
                (Kind::Text, self.text(end, scan::Escapes::Backslash))
            }
            (Dialect::Postgres, [b'u' | b'U'], b'&') => match self.bytes.get(end + 1) {
                Some(b'\'') => (Kind::Text, self.text(end + 1, scan::Escapes::None)),
                Some(b'"') => (
                    Kind::Quoted,
                    scan::quoted(self.bytes, end + 1, scan::Escapes::None),
                ),
                _ => (Kind::Word, end),
            },
            (_, [b'b' | b'B' | b'x' | b'X'], b'\'') => {
                (Kind::Text, self.text(end, scan::Escapes::None))
            }
            (_, [b'n' | b'N'], b'\'') | (Dialect::Mysql, [b'_', ..], b'\'' | b'"') => {
                (Kind::Text, self.text(end, self.escapes(quote)))
            }
            _ => (Kind::Word, end),
        }
    }

    /// End of the string literal whose quote is at `open`, with the pieces joined to it.
    fn text(&self, open: usize, escapes: scan::Escapes) -> usize {
        let mut end = scan::quoted(self.bytes, open, escapes);
        while let Some(next) = scan::continuation(self.bytes, end, self.dialect) {
            end = scan::quoted(self.bytes, next, escapes);
        }
        end
    }

    fn block(&mut self) -> (Kind, usize) {
        if self.is_mysql() {
            if let Some(end) = scan::executable(self.bytes, self.at) {
                self.executable = true;
                return (Kind::Marker, end);
            }
            return (Kind::Comment, scan::flat_comment(self.bytes, self.at + 2));
        }
        (Kind::Comment, scan::nested_comment(self.bytes, self.at + 2))
    }

    fn dollar(&self) -> (Kind, usize) {
        let next = self.at + 1;
        match self.dialect {
            Dialect::Mysql => (Kind::Word, scan::word(self.bytes, next)),
            Dialect::Postgres => {
                let digits = scan::digits(self.bytes, next);
                if digits > next {
                    return (Kind::Parameter, digits);
                }
                match scan::dollar_quoted(self.bytes, self.at) {
                    Some(end) => (Kind::Text, end),
                    None => (Kind::Symbol, next),
                }
            }
        }
    }

    fn number(&self) -> (Kind, usize) {
        match self.dialect {
            Dialect::Postgres => (Kind::Number, scan::number_postgres(self.bytes, self.at)),
            // Names may begin with a digit, and behind the dot of a qualified name they always do.
            Dialect::Mysql if self.after_dot => (Kind::Word, scan::word(self.bytes, self.at)),
            Dialect::Mysql => match scan::number_mysql(self.bytes, self.at) {
                Some(end) => (Kind::Number, end),
                None => (Kind::Word, scan::word(self.bytes, self.at)),
            },
        }
    }
}

impl Iterator for Lexer<'_> {
    type Item = Token;

    fn next(&mut self) -> Option<Token> {
        let start = self.at;
        let (kind, end) = match self.peek(0)? {
            b' ' | b'\t'..=b'\r' => (Kind::Space, scan::spaces(self.bytes, start + 1)),
            b'a'..=b'z' | b'A'..=b'Z' | b'_' | 0x80.. => self.word(),
            b'0'..=b'9' => self.number(),
            b'\'' => (Kind::Text, self.text(start, self.escapes(b'\''))),
            b'"' if self.is_mysql() => (Kind::Text, self.text(start, self.escapes(b'"'))),
            b'"' => (
                Kind::Quoted,
                scan::quoted(self.bytes, start, scan::Escapes::None),
            ),
            b'`' if self.is_mysql() => (
                Kind::Quoted,
                scan::quoted(self.bytes, start, scan::Escapes::None),
            ),
            b'-' if scan::dashes(self.bytes, start, self.dialect) => (
                Kind::Comment,
                scan::line(self.bytes, start + 2, self.dialect),
            ),
            b'#' if self.is_mysql() => (
                Kind::Comment,
                scan::line(self.bytes, start + 1, self.dialect),
            ),
            b'/' if self.peek(1) == Some(b'*') => self.block(),
            b'*' if self.executable && self.peek(1) == Some(b'/') => {
                self.executable = false;
                (Kind::Marker, start + 2)
            }
            b'$' => self.dollar(),
            b'.' if self.peek(1).is_some_and(|byte| byte.is_ascii_digit())
                && !self.names_follow() =>
            {
                self.number()
            }
            b'?' if self.is_mysql() => (Kind::Parameter, start + 1),
            _ => (Kind::Symbol, start + 1),
        };
        self.after_dot = kind == Kind::Symbol && self.after_name && self.bytes[start] == b'.';
        self.after_name = matches!(kind, Kind::Word | Kind::Quoted);
        self.at = end;
        Some(Token { kind, start, end })
    }
}

#[cfg(test)]
mod tests;
