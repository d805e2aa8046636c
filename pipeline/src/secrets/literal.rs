//! What is inside a string literal, and where each byte of it stands in the text.
//!
//! Takes a token that the lexer says is a literal, a quoted name or a comment; gives its inside with
//! the quotes and escapes undone, and the way back from a place in it to places in the text.

use std::{borrow::Cow, ops::Range};

use super::code::Reading;
use crate::{
    dedup::lex::{Kind, Token},
    flow::Dialect,
};

/// Bytes that stand in the text one behind the other.
#[derive(Debug, Clone, Copy)]
struct Run {
    /// Where they are in the text.
    source: usize,
    /// How many bytes of the text they are.
    source_len: usize,
    /// Where they are in the inside.
    inside: usize,
    /// How many bytes of the inside they are: as many, or one that was escaped.
    len: usize,
}

/// The inside of a token.
#[derive(Debug)]
pub(super) struct Inside<'a> {
    /// Its bytes, as the server reads them.
    pub(super) bytes: Cow<'a, [u8]>,
    /// From behind the first quote to before the last one, in the text.
    pub(super) content: Range<usize>,
    /// Whether the last quote is there.
    pub(super) closed: bool,
    /// How many literals the server joins to this one.
    pub(super) pieces: usize,
    /// Whether a backslash at the inside's end was read as itself, which a setting can change.
    pub(super) backslash_ends: bool,
    runs: Vec<Run>,
}

impl<'a> Inside<'a> {
    /// The inside of `token` of `text`.
    pub(super) fn of(text: &'a [u8], token: &Token, reading: Reading) -> Self {
        match (token.kind, &text[token.start..token.end]) {
            (Kind::Comment, bytes) => comment(text, token, bytes),
            (_, [b'$', ..]) if reading.dialect == Dialect::Postgres => dollar_quoted(text, token),
            _ => quoted(text, token, reading),
        }
    }

    /// Bytes of a text that stand for themselves.
    fn plain(text: &'a [u8], content: Range<usize>, closed: bool) -> Self {
        Self {
            bytes: Cow::Borrowed(&text[content.clone()]),
            runs: vec![Run {
                source: content.start,
                source_len: content.len(),
                inside: 0,
                len: content.len(),
            }],
            content,
            closed,
            pieces: 1,
            backslash_ends: false,
        }
    }

    /// Where `range` of the inside is in the text: one range, or one for each piece.
    pub(super) fn source(&self, range: &Range<usize>) -> Vec<Range<usize>> {
        let mut found: Vec<Range<usize>> = Vec::new();
        let first = self
            .runs
            .partition_point(|run| run.inside + run.len <= range.start);
        for run in &self.runs[first..] {
            if run.inside >= range.end {
                break;
            }
            let part = if run.len == run.source_len {
                let from = range.start.max(run.inside) - run.inside;
                let to = range.end.min(run.inside + run.len) - run.inside;
                run.source + from..run.source + to
            } else {
                run.source..run.source + run.source_len
            };
            match found.last_mut() {
                Some(last) if last.end == part.start => last.end = part.end,
                _ => found.push(part),
            }
        }
        found
    }
}

fn comment<'a>(text: &'a [u8], token: &Token, bytes: &[u8]) -> Inside<'a> {
    let open = match bytes {
        [b'#', ..] => 1,
        _ => 2.min(bytes.len()),
    };
    let block = bytes.starts_with(b"/*");
    let closed = if block {
        bytes.len() >= 4 && bytes.ends_with(b"*/")
    } else {
        token.end < text.len()
    };
    let close = if block && closed { 2 } else { 0 };
    Inside::plain(text, token.start + open..token.end - close, closed)
}

fn dollar_quoted<'a>(text: &'a [u8], token: &Token) -> Inside<'a> {
    let bytes = &text[token.start..token.end];
    let tag = bytes[1..]
        .iter()
        .position(|byte| *byte == b'$')
        .map_or(bytes.len(), |at| at + 2);
    let closed = bytes.len() >= 2 * tag && bytes[tag..].ends_with(&bytes[..tag]);
    let end = token.end - if closed { tag } else { 0 };
    Inside::plain(text, token.start + tag..end, closed)
}

fn quoted<'a>(text: &'a [u8], token: &Token, reading: Reading) -> Inside<'a> {
    let bytes = &text[..token.end];
    let is_quote = |byte: &u8| matches!(byte, b'\'' | b'"' | b'`');
    let prefix = text[token.start..token.end]
        .iter()
        .position(is_quote)
        .unwrap_or(0);
    let escapes = token.kind == Kind::Text
        && match (reading.dialect, &text[token.start..token.start + prefix]) {
            (Dialect::Postgres, [b'e' | b'E']) => true,
            (Dialect::Postgres, [b'u' | b'U', ..]) | (_, [b'x' | b'X' | b'b' | b'B']) => false,
            _ => text
                .get(token.start + prefix)
                .is_some_and(|quote| reading.escapes(*quote)),
        };
    let mut inside = Inside {
        bytes: Cow::Borrowed(&[]),
        content: token.start + prefix + 1..token.end,
        closed: false,
        pieces: 0,
        backslash_ends: false,
        runs: Vec::new(),
    };
    let mut decoded = Vec::new();
    let mut next = Some(token.start + prefix);
    while let Some(open) = next {
        inside.pieces += 1;
        inside.content.end = piece(bytes, open, escapes, &mut decoded, &mut inside.runs);
        inside.closed = inside.content.end < bytes.len();
        next = next_quote(bytes, inside.content.end + 1);
    }
    let backslashes = decoded.iter().rev().take_while(|byte| **byte == b'\\');
    inside.backslash_ends = !escapes && token.kind == Kind::Text && backslashes.count() % 2 == 1;
    inside.bytes = match inside.runs[..] {
        // Nothing was undone.
        [run] if run.len == run.source_len => {
            Cow::Borrowed(&text[run.source..run.source + run.len])
        }
        _ => Cow::Owned(decoded),
    };
    inside
}

/// Undoes one literal, whose quote is at `open`; gives where its closing quote is, or the end.
fn piece(
    bytes: &[u8],
    open: usize,
    escapes: bool,
    decoded: &mut Vec<u8>,
    runs: &mut Vec<Run>,
) -> usize {
    let quote = bytes[open];
    let mut at = open + 1;
    // The run that grows byte by byte; a run never spans two pieces.
    let mut plain: Option<Run> = None;
    while let Some(&byte) = bytes.get(at) {
        let (value, width) = match (byte, bytes.get(at + 1)) {
            (b'\\', Some(escaped)) if escapes => (unescaped(*escaped), 2),
            (byte, next) if byte == quote => {
                if next != Some(&quote) {
                    break;
                }
                (quote, 2)
            }
            (byte, _) => (byte, 1),
        };
        if width == 1 {
            let run = plain.get_or_insert(Run {
                source: at,
                source_len: 0,
                inside: decoded.len(),
                len: 0,
            });
            run.len += 1;
            run.source_len += 1;
        } else {
            runs.extend(plain.take());
            runs.push(Run {
                source: at,
                source_len: 2,
                inside: decoded.len(),
                len: 1,
            });
        }
        decoded.push(value);
        at += width;
    }
    runs.extend(plain);
    at.min(bytes.len())
}

const fn unescaped(byte: u8) -> u8 {
    match byte {
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'0' => 0,
        byte => byte,
    }
}

/// The quote of the next piece, behind whitespace and line comments.
fn next_quote(bytes: &[u8], from: usize) -> Option<usize> {
    let mut at = from;
    loop {
        match bytes.get(at)? {
            b'\'' | b'"' => return Some(at),
            b'-' => {
                at += bytes[at..]
                    .iter()
                    .position(|byte| matches!(byte, b'\n' | b'\r'))?;
            }
            _ => at += 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dedup::lex::{Lexer, Quoting};

    fn check(dialect: Dialect, text: &str, content: &str, inside: &str, closed: bool) {
        let token = Lexer::new(text.as_bytes(), dialect).next().unwrap();
        assert_eq!(token.end, text.len(), "{text}");
        let found = Inside::of(
            text.as_bytes(),
            &token,
            Reading::whole(dialect, Quoting::Usual),
        );
        assert_eq!(&text[found.content.clone()], content, "{text}");
        assert_eq!(String::from_utf8_lossy(&found.bytes), inside, "{text}");
        assert_eq!(found.closed, closed, "{text}");
        let whole: Vec<u8> = found
            .source(&(0..found.bytes.len()))
            .into_iter()
            .flat_map(|range| text.as_bytes()[range].to_vec())
            .collect();
        assert!(whole.len() <= content.len(), "{text}");
    }

    #[test]
    fn insides() {
        use Dialect::{Mysql, Postgres};
        for (dialect, text, content, inside, closed) in [
            (Postgres, "'a'", "a", "a", true),
            (Postgres, "''", "", "", true),
            (Postgres, "'", "", "", false),
            (Postgres, "'a''b'", "a''b", "a'b", true),
            (Postgres, "'a''", "a''", "a'", false),
            (Postgres, r"'a\'", r"a\", r"a\", true),
            (Postgres, r"E'a\'b\n'", r"a\'b\n", "a'b\n", true),
            (Postgres, "U&'a'", "a", "a", true),
            (Postgres, "'a' -- it's\n 'b'", "a' -- it's\n 'b", "ab", true),
            (Postgres, "$$a'b$$", "a'b", "a'b", true),
            (Postgres, "$t$a$$", "a$$", "a$$", false),
            (Postgres, "$$", "", "", false),
            (Postgres, "/* a */", " a ", " a ", true),
            (Postgres, "/*/", "/", "/", false),
            (Postgres, "-- a", " a", " a", false),
            (Mysql, r#""a\"b""c""#, r#"a\"b""c"#, "a\"b\"c", true),
            (Mysql, "'a' \"b\"", "a' \"b", "ab", true),
            (Mysql, "_utf8'a", "a", "a", false),
            (Mysql, r"x'61\'", r"61\", r"61\", true),
            (Mysql, r"'a\", r"a\", r"a\", false),
            (Mysql, "`a``b`", "a``b", "a`b", true),
            (Mysql, "# a", " a", " a", false),
        ] {
            check(dialect, text, content, inside, closed);
        }
    }

    #[test]
    fn places_lead_back_to_the_text() {
        let text = b"'a''b' 'cd'";
        let token = Lexer::new(text, Dialect::Mysql).next().unwrap();
        let inside = Inside::of(text, &token, Reading::whole(Dialect::Mysql, Quoting::Usual));
        assert_eq!(&*inside.bytes, b"a'bcd");
        assert_eq!(inside.source(&(0..1)).first(), Some(&(1..2)));
        assert_eq!(inside.source(&(1..2)).first(), Some(&(2..4)));
        assert_eq!(inside.source(&(1..4)), [2..5, 8..9]);
        assert!(inside.source(&(2..2)).is_empty());
        assert!(!inside.backslash_ends && inside.pieces == 2);
    }
}
