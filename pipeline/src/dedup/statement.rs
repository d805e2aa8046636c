//! Finds the statements of a text that has several.
//!
//! Takes any bytes and an offset that is not inside a token; gives offsets, never more than the
//! text's length.

use super::classify::classify_bytes;
use super::lex::{Kind, Lexer};
use crate::flow::Dialect;

/// Where the next statement begins at or after `from`, behind whitespace, comments and `;`. None
/// when nothing remains. An executable comment is a statement.
#[must_use]
pub fn next_statement(text: &[u8], dialect: Dialect, from: usize) -> Option<usize> {
    Lexer::at(text, dialect, from)
        .find(|token| match token.kind {
            Kind::Space | Kind::Comment => false,
            Kind::Symbol => text[token.start] != b';',
            Kind::Marker
            | Kind::Word
            | Kind::Quoted
            | Kind::Text
            | Kind::Number
            | Kind::Parameter => true,
        })
        .map(|token| token.start)
}

/// One behind the `;` that ends the statement at `from`, or the text's length.
///
/// A `;` within brackets (`CREATE RULE`) or within the body of a routine (`BEGIN ... END`) ends no
/// statement.
#[must_use]
pub fn statement_end(text: &[u8], dialect: Dialect, from: usize) -> usize {
    let mut brackets = 0usize;
    let mut body = Body::of(text.get(from..).unwrap_or_default(), dialect);
    let mut tokens = Lexer::at(text, dialect, from);
    while let Some(token) = tokens.next() {
        let bytes = token.of(text);
        match (token.kind, bytes) {
            (Kind::Symbol, b"(") => brackets += 1,
            (Kind::Symbol, b")") => brackets = brackets.saturating_sub(1),
            (Kind::Symbol, b";") if brackets == 0 && body.blocks == 0 => return token.end,
            (Kind::Word, word) if body.starts != Starts::Nowhere => body.word(word, tokens),
            _ => {}
        }
    }
    text.len()
}

/// What begins the body of a routine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Starts {
    /// The statement has none.
    Nowhere,
    /// `BEGIN` (MariaDB, MySQL)
    Begin,
    /// `BEGIN ATOMIC` (PostgreSQL)
    BeginAtomic,
}

/// How deep in a routine's body a place is.
#[derive(Debug)]
struct Body {
    starts: Starts,
    blocks: usize,
    /// The word before was `END`, and this one says of what.
    after_end: bool,
}

impl Body {
    fn of(statement: &[u8], dialect: Dialect) -> Self {
        let operation = classify_bytes(statement, dialect).operation;
        let starts = match (operation.as_str(), dialect) {
            ("CREATE FUNCTION" | "CREATE PROCEDURE", Dialect::Postgres) => Starts::BeginAtomic,
            (
                "CREATE FUNCTION"
                | "CREATE PROCEDURE"
                | "CREATE TRIGGER"
                | "CREATE EVENT"
                | "ALTER EVENT"
                | "CREATE PACKAGE"
                | "CREATE PACKAGE BODY"
                | "BEGIN NOT ATOMIC",
                Dialect::Mysql,
            ) => Starts::Begin,
            _ => Starts::Nowhere,
        };
        Self {
            starts,
            blocks: 0,
            after_end: false,
        }
    }

    /// Takes one word of the statement; `rest` is behind it.
    fn word(&mut self, word: &[u8], rest: Lexer<'_>) {
        let is = |keyword: &str| word.eq_ignore_ascii_case(keyword.as_bytes());
        let after_end = std::mem::take(&mut self.after_end);
        if is("BEGIN") {
            if self.blocks > 0
                || self.starts == Starts::Begin
                || next_word(rest).is_some_and(|next| next.eq_ignore_ascii_case(b"ATOMIC"))
            {
                self.blocks += 1;
            }
        } else if is("CASE") {
            // `END CASE` has closed already.
            self.blocks += usize::from(self.blocks > 0 && !after_end);
        } else if is("END") && self.blocks > 0 {
            const UNCOUNTED: [&[u8]; 5] = [b"IF", b"LOOP", b"WHILE", b"REPEAT", b"FOR"];
            let next = next_word(rest).unwrap_or_default();
            self.blocks -= usize::from(
                !UNCOUNTED
                    .iter()
                    .any(|uncounted| next.eq_ignore_ascii_case(uncounted)),
            );
            self.after_end = next.eq_ignore_ascii_case(b"CASE");
        }
    }
}

/// The word that follows, when nothing but whitespace and comments is before it.
fn next_word(rest: Lexer<'_>) -> Option<&[u8]> {
    let bytes = rest.bytes();
    let mut rest = rest.skip_while(|token| matches!(token.kind, Kind::Space | Kind::Comment));
    rest.next()
        .filter(|token| token.kind == Kind::Word)
        .map(|token| token.of(bytes))
}

#[cfg(test)]
mod tests;
