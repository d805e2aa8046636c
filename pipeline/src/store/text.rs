//! What of a statement's bytes is text.
//!
//! Takes any bytes, gives text that every reader can show. It never fails and never lengthens a text
//! that is UTF-8 already.

use std::borrow::Cow;

/// A statement as text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Readable<'a> {
    /// U+FFFD stands where the bytes are no UTF-8, and for each NUL, at which SQLite's text ends.
    pub(crate) text: Cow<'a, str>,
    /// Whether the text's bytes are the statement's.
    pub(crate) exact: bool,
}

/// Makes text of bytes.
pub(crate) fn readable(bytes: &[u8]) -> Readable<'_> {
    match std::str::from_utf8(bytes) {
        Ok(text) if !bytes.contains(&0) => Readable {
            text: Cow::Borrowed(text),
            exact: true,
        },
        _ => Readable {
            text: String::from_utf8_lossy(bytes)
                .replace('\0', "\u{fffd}")
                .into(),
            exact: false,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_utf8_without_nul_is_exact() {
        let check = |bytes: &[u8], text: &str, exact: bool| {
            assert_eq!(
                readable(bytes),
                Readable {
                    text: text.into(),
                    exact
                },
                "{bytes:?}"
            );
        };
        check(b"", "", true);
        check("select 'zoë 🦀'".as_bytes(), "select 'zoë 🦀'", true);
        check(b"caf\xe9", "caf\u{fffd}", false);
        check(b"a\0b", "a\u{fffd}b", false);
        check(b"\xf0\x9f\xa6", "\u{fffd}", false);
    }
}
