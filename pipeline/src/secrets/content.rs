//! Secrets in text that is no SQL: connection strings, URIs, command lines, HTTP headers.
//!
//! Takes the inside of a literal or of a comment, gives the ranges in it that are secrets. It must
//! never judge by more than the names that stand there.

use std::ops::Range;

use super::names;

/// What is known of a text from where it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Nature {
    /// SQL: `name=value` without quotes is a comparison.
    Code,
    /// Anything else, such as a connection string.
    Data,
    /// A command line.
    Program,
}

/// What was found in a text.
#[derive(Debug, Default)]
pub(super) struct Content {
    /// Where secrets are.
    pub(super) ranges: Vec<Range<usize>>,
    /// Whether a secret was to follow that comes from elsewhere.
    pub(super) open: bool,
}

/// Finds the secrets of `text`; `whole` says that nothing of it was cut off.
pub(super) fn find(text: &[u8], nature: Nature, whole: bool) -> Content {
    let mut content = Content::default();
    uris(text, whole, &mut content.ranges);
    bearers(text, whole, &mut content.ranges);
    if nature != Nature::Code {
        settings(text, &mut content);
    }
    if nature == Nature::Program {
        command_line(text, &mut content.ranges);
    }
    content
}

fn skip(text: &[u8], from: usize, wanted: impl Fn(u8) -> bool) -> usize {
    let rest = text.get(from..).unwrap_or_default();
    from + rest
        .iter()
        .position(|byte| !wanted(*byte))
        .unwrap_or(rest.len())
}

fn is_space(byte: u8) -> bool {
    byte.is_ascii_whitespace()
}

/// What is between the user's name and the `@` of `scheme://user:secret@host`.
fn uris(text: &[u8], whole: bool, ranges: &mut Vec<Range<usize>>) {
    let mut from = 0;
    while let Some(found) = text[from..].windows(3).position(|bytes| bytes == b"://") {
        let start = from + found + 3;
        let end = skip(text, start, |byte| {
            !is_space(byte) && !matches!(byte, b'\'' | b'"' | b'`' | b'<' | b'>' | b'|')
        });
        let authority = &text[start..end];
        let colon = authority.iter().position(|byte| *byte == b':');
        let at = authority
            .iter()
            .rposition(|byte| *byte == b'@')
            // What is cut off may have been a password.
            .or((!whole && end == text.len()).then_some(authority.len()));
        if let (Some(colon), Some(at)) = (colon, at)
            && colon < at
        {
            // Before a path, the number of a port is no password.
            let before_path = authority[colon + 1..at].split(|byte| *byte == b'/').next();
            let is_port = before_path.is_some_and(|port| {
                port.len() < at - colon - 1 && port.iter().all(u8::is_ascii_digit)
            });
            let before_colon = &authority[..colon];
            if !is_port && !before_colon.contains(&b'/') && !before_colon.contains(&b'@') {
                ranges.push(start + colon + 1..start + at);
            }
        }
        from = start;
    }
}

/// The token of an `Authorization: Bearer ...` header.
fn bearers(text: &[u8], whole: bool, ranges: &mut Vec<Range<usize>>) {
    /// Shorter words are prose.
    const SHORTEST: usize = 8;
    for (word, header) in [(&b"bearer"[..], false), (b"basic", true)] {
        for at in places(text, word) {
            let start = skip(text, at + word.len(), is_space);
            let end = skip(text, start, |byte| {
                byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte)
            });
            let before = text[..at].trim_ascii_end();
            let in_header = before
                .strip_suffix(b":")
                .is_some_and(|name| name.to_ascii_lowercase().ends_with(b"authorization"));
            let long = end - start >= SHORTEST || (!whole && end == text.len());
            if start > at + word.len() && long && (in_header || !header) {
                ranges.push(start..end);
            }
        }
    }
}

/// Where `word`, which is in lower case, stands in any case.
fn places(text: &[u8], word: &[u8]) -> Vec<usize> {
    text.windows(word.len())
        .enumerate()
        .filter(|(_, bytes)| bytes.eq_ignore_ascii_case(word))
        .map(|(at, _)| at)
        .collect()
}

/// Values of `name = value`, as in connection strings, environments and queries of URIs.
fn settings(text: &[u8], content: &mut Content) {
    let mut from = 0;
    while let Some(found) = text[from..].iter().position(|byte| *byte == b'=') {
        let equals = from + found;
        from = equals + 1;
        if !names::is_secret(&name_before(text, equals)) {
            continue;
        }
        let start = skip(text, equals + 1, |byte| is_space(byte) || byte == b'>');
        let range = value(text, start);
        from = range.end.max(from);
        if range.is_empty() {
            content.open |= range.end == text.len();
        } else if is_placeholder(&text[range.clone()]) {
            content.open = true;
        } else {
            content.ranges.push(range);
        }
    }
}

/// The name that ends before `at`, in lower case.
fn name_before(text: &[u8], at: usize) -> String {
    /// No name that is looked for is longer.
    const LONGEST: usize = 80;
    let mut before = text[at.saturating_sub(LONGEST)..at].trim_ascii_end();
    if let [rest @ .., b'"' | b'\'' | b'`'] = before {
        before = rest;
    }
    let is_name =
        |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | 0x80..);
    let length = before.iter().rev().take_while(|byte| is_name(byte)).count();
    names::lower(&before[before.len() - length..]).replace('-', "_")
}

/// The value at `start`: in quotes, or up to whitespace. The quotes are not part of it.
fn value(text: &[u8], start: usize) -> Range<usize> {
    let Some(quote @ (b'\'' | b'"')) = text.get(start).copied() else {
        let mut end = start;
        // libpq takes whitespace that a backslash is before.
        while end < text.len() && !is_space(text[end]) {
            end += if text[end] == b'\\' { 2 } else { 1 };
        }
        return start..end.min(text.len());
    };
    let mut end = start + 1;
    while end < text.len() {
        match text[end] {
            b'\\' => end += 1,
            byte if byte == quote && text.get(end + 1) == Some(&quote) => end += 1,
            byte if byte == quote => break,
            _ => {}
        }
        end += 1;
    }
    (start + 1).min(text.len())..end.min(text.len())
}

/// Whether a value is filled in elsewhere: `$1`, `?`, `%s`, `%1$L`.
fn is_placeholder(value: &[u8]) -> bool {
    match value {
        b"?" => true,
        [b'$', digits @ ..] => !digits.is_empty() && digits.iter().all(u8::is_ascii_digit),
        [b'%', middle @ .., b's' | b'L' | b'I'] => middle
            .iter()
            .all(|byte| byte.is_ascii_digit() || *byte == b'$'),
        _ => false,
    }
}

/// Values of the options of programs: `-p secret`, `-psecret`, `--password secret`, `-u user:secret`.
fn command_line(text: &[u8], ranges: &mut Vec<Range<usize>>) {
    let mut follows = false;
    let mut user_follows = false;
    let mut at = skip(text, 0, is_space);
    while at < text.len() {
        let (word, behind) = word(text, at);
        let bytes = &text[word.clone()];
        let is_option = bytes.first() == Some(&b'-') && bytes.len() > 1;
        if std::mem::take(&mut follows) && !is_option && !bytes.is_empty() {
            ranges.push(word.clone());
        }
        if std::mem::take(&mut user_follows) {
            ranges.extend(behind_colon(bytes, word.start));
        }
        match bytes {
            b"-p" => follows = true,
            b"-u" | b"-U" | b"--user" | b"--proxy-user" => user_follows = true,
            [b'-', b'-', name @ ..] => match name.iter().position(|byte| *byte == b'=') {
                Some(equals) if name.starts_with(b"user") || name.starts_with(b"proxy-user") => {
                    ranges.extend(behind_colon(
                        &name[equals + 1..],
                        word.start + 2 + equals + 1,
                    ));
                }
                Some(_) => {}
                None => follows = names::is_secret(&names::lower(name).replace('-', "_")),
            },
            [b'-', b'p', ..] => ranges.push(word.start + 2..word.end),
            [b'-', b'u', user @ ..] => ranges.extend(behind_colon(user, word.start + 2)),
            _ => {}
        }
        at = skip(text, behind, is_space);
    }
}

fn behind_colon(bytes: &[u8], start: usize) -> Option<Range<usize>> {
    let colon = bytes.iter().position(|byte| *byte == b':')?;
    (colon + 1 < bytes.len()).then_some(start + colon + 1..start + bytes.len())
}

/// A shell's word at `at`, without the quotes around it, and where it is over.
fn word(text: &[u8], at: usize) -> (Range<usize>, usize) {
    let is_quote = |byte: u8| matches!(byte, b'\'' | b'"');
    let mut end = at;
    while end < text.len() && !is_space(text[end]) {
        let open = text[end];
        end += 1;
        if is_quote(open) {
            end = (skip(text, end, |byte| byte != open) + 1).min(text.len());
        }
    }
    let whole = &text[at..end];
    match whole {
        [open, inner @ .., close] if is_quote(*open) && open == close && !inner.contains(open) => {
            (at + 1..end - 1, end)
        }
        _ => (at..end, end),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(nature: Nature, text: &str, expect: &[&str]) {
        let found = find(text.as_bytes(), nature, true);
        let found: Vec<&str> = found.ranges.into_iter().map(|range| &text[range]).collect();
        assert_eq!(found, expect, "{text}");
    }

    #[test]
    fn connection_strings() {
        for (text, expect) in [
            ("host=h password=abc user=u", &["abc"][..]),
            ("host=h password = 'a b' user=u", &["a b"]),
            ("password='a\\'b'", &["a\\'b"]),
            ("password=a\\ b c", &["a\\ b"]),
            ("PASSWORD=abc", &["abc"]),
            ("sslpassword=x sslkey=/k", &["x"]),
            ("Server=h;Pwd=abc;Port=1", &["abc;Port=1"]),
            ("{password=abc}", &["abc}"]),
            ("password='abc", &["abc"]),
            ("PGPASSWORD=abc psql", &["abc"]),
            ("password=$1 x", &[]),
            ("user=u dbname=password", &[]),
            ("postgresql://u:abc@h/d?x=y", &["abc"]),
            ("postgresql://u:a@b/c@h/d", &["a@b/c"]),
            ("redis://:abc@h", &["abc"]),
            ("postgres://h/d?user=u&password=abc", &["abc"]),
            ("http://h:80/p@x http://h:80 mailto:a@b s3://b/k", &[]),
            ("Authorization: Bearer abc.def-123", &["abc.def-123"]),
            ("authorization: basic dXNlcjpwYXNz", &["dXNlcjpwYXNz"]),
            ("basic information", &[]),
            ("the bearer of news", &[]),
        ] {
            check(Nature::Data, text, expect);
        }
        let cut = find(b"see postgres://u:ab", Nature::Data, false);
        assert_eq!(cut.ranges.first(), Some(&(17..19)));
        check(Nature::Code, "if x.password=y then", &[]);
        assert!(find(b"host=h password=", Nature::Data, true).open);
        assert!(find(b"host=h password='", Nature::Data, true).open);
        assert!(find(b"host=h password=%L x", Nature::Data, true).open);
        assert!(!find(b"host=h password=x", Nature::Data, true).open);
    }

    #[test]
    fn command_lines() {
        for (text, expect) in [
            ("mysql -u root -pabc db", &["abc"][..]),
            ("mysql -u root -p abc db", &["abc"]),
            ("mysql --password=abc db", &["abc"]),
            ("x --password abc -v", &["abc"]),
            ("x --password 'a b' -v", &["a b"]),
            ("x --api-token \"abc\"", &["abc"]),
            ("curl -u me:abc http://h", &["abc"]),
            ("curl -ume:abc --user=me:def", &["abc", "def"]),
            ("curl --user 'me:a b'", &["a b"]),
            ("sshpass -p'a b' ssh", &["'a b'"]),
            ("x --password", &[]),
            ("-p", &[]),
            ("gzip -c > /tmp/x", &[]),
        ] {
            check(Nature::Program, text, expect);
        }
    }
}
