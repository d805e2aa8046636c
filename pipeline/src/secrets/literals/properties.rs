//! What must hold for every statement: no literal of it is left in any column.

use proptest::prelude::*;

use super::{mask_literals, tests::row};
use crate::{
    dedup::{
        fingerprint::{Fingerprint, normalise},
        lex::Quoting,
    },
    flow::{
        Dialect::{self, Mysql, Postgres},
        Event, Status,
    },
};

/// What a literal holds: begins and ends so that it stands out, between anything.
fn content() -> impl Strategy<Value = String> {
    let middle = proptest::collection::vec(
        proptest::sample::select(vec![
            "a", " ", "'", "\"", "\\", "`", "--", "/*", "*/", ";", "$$", "é", "\n", "%s", "?", "#",
            "0",
        ]),
        0..6,
    );
    middle.prop_map(|middle| format!("zq7x{}x7qz", middle.concat()))
}

/// A literal as a session with these settings writes it.
fn quoted(content: &str, dialect: Dialect, quoting: Quoting, style: u8) -> String {
    let quote = if dialect == Mysql && style % 2 == 1 && quoting != Quoting::Ansi {
        '"'
    } else {
        '\''
    };
    let doubled = |text: &str| text.replace(quote, &format!("{quote}{quote}"));
    match (dialect, style) {
        (Postgres, 0) if !content.contains("$_$") => format!("$_${content}$_$"),
        (Postgres, 1) => format!("E'{}'", content.replace('\\', "\\\\").replace('\'', "\\'")),
        _ if quoting.escapes(dialect, b'\'') => {
            let escaped = content.replace('\\', "\\\\");
            let escaped = if style > 2 {
                escaped.replace(quote, &format!("\\{quote}"))
            } else {
                doubled(&escaped)
            };
            format!("{quote}{escaped}{quote}")
        }
        _ => format!("{quote}{}{quote}", doubled(content)),
    }
}

/// Statements with three literals.
const FRAMES: [&str; 6] = [
    "select {}, a from t where b = {} or c in ({}, 5)",
    "insert into t (a, b) values ({}, {}), ({}, null)",
    "update t set a = {} where b like {} and c <> {}",
    "call p({}, {}); select {}",
    "select {}, {} from {} nonsense ((",
    "set @a = {}, @b = {}; execute s using {}",
];

fn filled(frame: &str, literals: &[String]) -> String {
    let mut text = String::new();
    let mut literals = literals.iter();
    let mut rest = frame;
    while let Some((before, after)) = rest.split_once("{}") {
        text += before;
        text += literals.next().map_or("", String::as_str);
        rest = after;
    }
    text + rest
}

fn columns(event: &Event) -> Vec<u8> {
    let mut all = event
        .text
        .as_ref()
        .map_or(Vec::new(), |text| text.bytes.clone());
    for column in [&event.parameters, &event.error_message] {
        all.extend_from_slice(column.as_deref().unwrap_or_default().as_bytes());
    }
    all
}

fn has(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|bytes| bytes == part)
}

proptest! {
    #[test]
    fn no_literal_is_left(
        contents in proptest::collection::vec(content(), 3),
        styles in proptest::array::uniform3(0u8..5),
        dialect in proptest::sample::select(vec![Postgres, Mysql]),
        setting in 0usize..3,
        frame in proptest::sample::select(FRAMES.to_vec()),
        cut in proptest::option::of(0usize..200),
        failed in any::<bool>(),
        quoted_by_server in 0usize..3,
    ) {
        let settings = Quoting::all(dialect);
        let quoting = settings[setting % settings.len()];
        let literals: Vec<String> = contents
            .iter()
            .zip(styles)
            .map(|(content, style)| quoted(content, dialect, quoting, style))
            .collect();
        let text = filled(frame, &literals);
        let mut event = row(text.as_bytes(), dialect);
        if let (Some(cut), Some(text)) = (cut, &mut event.text) {
            text.truncated = cut < text.bytes.len();
            text.bytes.truncate(cut);
        }
        if failed {
            event.status = Status::Error;
            let value = &contents[quoted_by_server];
            event.error_message = Some(format!("invalid input syntax for type integer: \"{value}\""));
        }
        event.parameters = Some(serde_json::json!(contents).to_string());
        let len = event.text.as_ref().map(|text| text.len);
        mask_literals(&mut event);
        let left = columns(&event);
        let shown = String::from_utf8_lossy(&left);
        prop_assert!(!has(&left, b"zq7x") && !has(&left, b"x7qz"), "{text:?} {quoting:?}: {shown:?}");
        prop_assert_eq!(event.text.map(|text| text.len), len);
    }

    /// Masking keeps the shape, and masks once.
    #[test]
    fn the_fingerprint_stays(
        contents in proptest::collection::vec("[a-z0-9 ';-]{0,8}", 3),
        dialect in proptest::sample::select(vec![Postgres, Mysql]),
        frame in proptest::sample::select(FRAMES.to_vec()),
    ) {
        let literals: Vec<String> =
            contents.iter().map(|content| quoted(content, dialect, Quoting::Usual, 2)).collect();
        let text = filled(frame, &literals);
        let mut event = row(text.as_bytes(), dialect);
        mask_literals(&mut event);
        let once = String::from_utf8(event.text.clone().unwrap().bytes).unwrap();
        let shape = |text: &str| Fingerprint::of(&normalise(text, dialect));
        prop_assert_eq!(shape(&text), shape(&once), "{}", text);
        mask_literals(&mut event);
        prop_assert_eq!(event.text.unwrap().bytes, once.into_bytes());
    }

    #[test]
    fn any_bytes(
        bytes in proptest::collection::vec(any::<u8>(), 0..60),
        message in ".{0,40}",
        dialect in proptest::sample::select(vec![Postgres, Mysql]),
    ) {
        let mut event = row(&bytes, dialect);
        event.status = Status::Error;
        event.error_message = Some(message);
        mask_literals(&mut event);
        prop_assert!(event.text.unwrap().bytes.len() <= 2 * bytes.len() + 2);
    }
}
