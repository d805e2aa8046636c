//! Finds where one token ends.
//!
//! Takes the whole text and an offset inside it, gives the offset behind the token; never more than
//! the text's length, and never less than the offset given.

use crate::flow::Dialect;

/// What a backslash does inside a quoted token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Escapes {
    /// It stands for itself.
    None,
    /// It takes the next byte with it.
    Backslash,
}

/// Whether a byte continues an identifier. Both servers take every byte above ASCII.
const fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'$' || byte >= 0x80
}

const fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t'..=b'\r')
}

fn skip(bytes: &[u8], from: usize, wanted: impl Fn(u8) -> bool) -> usize {
    let rest = bytes.get(from..).unwrap_or_default();
    from + rest
        .iter()
        .position(|byte| !wanted(*byte))
        .unwrap_or(rest.len())
}

pub(super) fn spaces(bytes: &[u8], from: usize) -> usize {
    skip(bytes, from, is_space)
}

pub(super) fn word(bytes: &[u8], from: usize) -> usize {
    const IS_WORD: [bool; 256] = {
        let mut table = [false; 256];
        let mut byte = 0u8;
        loop {
            table[byte as usize] = is_word(byte);
            if byte == u8::MAX {
                break table;
            }
            byte += 1;
        }
    };
    skip(bytes, from, |byte| IS_WORD[usize::from(byte)])
}

pub(super) fn digits(bytes: &[u8], from: usize) -> usize {
    skip(bytes, from, |byte| byte.is_ascii_digit())
}

/// End of the quoted token whose quote is at `open`; a doubled quote is a quote within.
pub(super) fn quoted(bytes: &[u8], open: usize, escapes: Escapes) -> usize {
    let quote = bytes[open];
    let mut at = open + 1;
    loop {
        at = skip(bytes, at, |byte| {
            byte != quote && (byte != b'\\' || escapes == Escapes::None)
        });
        match bytes.get(at) {
            None => return bytes.len(),
            Some(byte) if *byte == quote && bytes.get(at + 1) != Some(&quote) => return at + 1,
            Some(_) => at = (at + 2).min(bytes.len()),
        }
    }
}

/// Where the quote is that continues the string literal ending at `end`.
///
/// MariaDB and MySQL join literals that only whitespace separates. PostgreSQL wants a line end
/// among it, and takes line comments too; the escapes of the first piece hold for all.
pub(super) fn continuation(bytes: &[u8], end: usize, dialect: Dialect) -> Option<usize> {
    match dialect {
        Dialect::Mysql => {
            let at = spaces(bytes, end);
            matches!(bytes.get(at), Some(b'\'' | b'"')).then_some(at)
        }
        Dialect::Postgres => {
            let mut at = end;
            let mut lines = false;
            loop {
                match bytes.get(at)? {
                    b'\n' | b'\r' => lines = true,
                    byte if is_space(*byte) => {}
                    b'-' if bytes.get(at + 1) == Some(&b'-') => {
                        at = line(bytes, at + 2, dialect);
                        continue;
                    }
                    b'\'' if lines => return Some(at),
                    _ => return None,
                }
                at += 1;
            }
        }
    }
}

/// Whether the dash at `at` begins a comment.
pub(super) fn dashes(bytes: &[u8], at: usize, dialect: Dialect) -> bool {
    bytes.get(at + 1) == Some(&b'-')
        && match dialect {
            Dialect::Postgres => true,
            // `5--1` is a subtraction there.
            Dialect::Mysql => bytes
                .get(at + 2)
                .is_none_or(|byte| *byte == b' ' || byte.is_ascii_control()),
        }
}

/// End of a comment that the line's end closes.
pub(super) fn line(bytes: &[u8], from: usize, dialect: Dialect) -> usize {
    skip(bytes, from, |byte| {
        byte != b'\n' && (byte != b'\r' || dialect == Dialect::Mysql)
    })
}

/// End of a block comment whose inside begins at `from`, in MariaDB and MySQL.
pub(super) fn flat_comment(bytes: &[u8], from: usize) -> usize {
    let inside = bytes.get(from..).unwrap_or_default();
    inside
        .windows(2)
        .position(|pair| pair == b"*/")
        .map_or(bytes.len(), |at| from + at + 2)
}

/// End of a block comment whose inside begins at `from`, in PostgreSQL, where they nest.
pub(super) fn nested_comment(bytes: &[u8], from: usize) -> usize {
    let mut depth = 1usize;
    let mut at = from;
    while let Some(pair) = bytes.get(at..at + 2) {
        match pair {
            b"*/" if depth == 1 => return at + 2,
            b"*/" => depth -= 1,
            b"/*" => depth += 1,
            _ => {
                at += 1;
                continue;
            }
        }
        at += 2;
    }
    bytes.len()
}

/// End of the marker that opens an executable comment or a hint at `at`, if one does.
///
/// A version has five or six digits; other digits are code already.
pub(super) fn executable(bytes: &[u8], at: usize) -> Option<usize> {
    let version = match bytes.get(at + 2..)? {
        [b'+', ..] => return Some(at + 3),
        [b'!', ..] => at + 3,
        [b'M', b'!', ..] => at + 4,
        _ => return None,
    };
    let count = digits(bytes, version) - version;
    Some(if count < 5 {
        version
    } else {
        version + count.min(6)
    })
}

/// End of the dollar-quoted literal at `at`, if one begins there.
pub(super) fn dollar_quoted(bytes: &[u8], at: usize) -> Option<usize> {
    let close = skip(bytes, at + 1, |byte| is_word(byte) && byte != b'$');
    if bytes.get(close) != Some(&b'$') || bytes[at + 1].is_ascii_digit() {
        return None;
    }
    let tag = &bytes[at..=close];
    let mut from = close + 1;
    loop {
        from = skip(bytes, from, |byte| byte != b'$');
        match bytes.get(from..) {
            Some([]) | None => return Some(bytes.len()),
            Some(rest) if rest.starts_with(tag) => return Some(from + tag.len()),
            Some(_) => from += 1,
        }
    }
}

/// End of the exponent at `at`, or `at` itself when there is none.
fn exponent(bytes: &[u8], at: usize) -> usize {
    if !matches!(bytes.get(at), Some(b'e' | b'E')) {
        return at;
    }
    let first = at + 1 + usize::from(matches!(bytes.get(at + 1), Some(b'+' | b'-')));
    let end = digits(bytes, first);
    if end > first { end } else { at }
}

/// End of the number at `at`, which is a digit, or a dot with a digit behind it.
pub(super) fn number_postgres(bytes: &[u8], at: usize) -> usize {
    // PostgreSQL 16 reads an underscore between digits.
    let grouped = |from: usize, wanted: fn(&u8) -> bool| {
        let mut end = from;
        loop {
            end = skip(bytes, end, |byte| wanted(&byte));
            if bytes.get(end) != Some(&b'_') || !bytes.get(end + 1).is_some_and(wanted) {
                return end;
            }
            end += 1;
        }
    };
    if bytes[at] == b'0'
        && matches!(
            bytes.get(at + 1),
            Some(b'x' | b'X' | b'o' | b'O' | b'b' | b'B')
        )
    {
        let end = grouped(at + 2, u8::is_ascii_hexdigit);
        if end > at + 2 {
            return end;
        }
    }
    let mut end = grouped(at, u8::is_ascii_digit);
    // `1..2` is a range of PL/pgSQL.
    if bytes.get(end) == Some(&b'.') && bytes.get(end + 1) != Some(&b'.') {
        end = grouped(end + 1, u8::is_ascii_digit);
    }
    exponent(bytes, end)
}

/// End of the number at `at`; none when it is a name that begins with digits.
pub(super) fn number_mysql(bytes: &[u8], at: usize) -> Option<usize> {
    let ends = |end: usize| !bytes.get(end).is_some_and(|byte| is_word(*byte));
    let based = match bytes.get(at..at + 2) {
        Some(b"0x") => skip(bytes, at + 2, |byte| byte.is_ascii_hexdigit()),
        Some(b"0b") => skip(bytes, at + 2, |byte| matches!(byte, b'0' | b'1')),
        _ => 0,
    };
    if based > at + 2 && ends(based) {
        return Some(based);
    }
    let mut end = digits(bytes, at);
    if bytes.get(end) == Some(&b'.') {
        end = digits(bytes, end + 1);
        return Some(exponent(bytes, end));
    }
    end = exponent(bytes, end);
    ends(end).then_some(end)
}
