//! What a server's message repeats of a statement's literals.
//!
//! A server quotes literals, parts of the text, values that it made of literals, and names. Only names
//! that the statement shows, or that cannot be anything else, are left.

use serde_json::Value;

use super::{
    super::message::{mark_value, replaced},
    LITERAL_MASK,
    text::Masked,
};
use crate::flow::{Dialect, Session};

/// SQLSTATE of an error that a function of the user's raised: its message may say anything.
const RAISED: [&str; 2] = ["P0001", "45000"];

/// What a server writes before the name of something that a literal cannot name.
const BEFORE_NAMES: [&str; 5] = ["constraint ", "for key ", "olumn ", "Field ", "in "];

/// What `in '...'` says in MariaDB and MySQL.
const CLAUSES: [&str; 6] = [
    "field list",
    "where clause",
    "order clause",
    "on clause",
    "having clause",
    "group statement",
];

/// How PostgreSQL begins a message whose quotes are all names.
const ALL_NAMES: [&str; 4] = [
    "null value in column ",
    "new row for relation ",
    "insert or update on table ",
    "update or delete on table ",
];

/// The message with a mask for all that may be of a literal.
pub(super) fn masked(
    message: &str,
    sqlstate: Option<&str>,
    session: Option<&Session>,
    known: &Masked,
) -> String {
    if sqlstate.is_some_and(|state| RAISED.contains(&state)) {
        return LITERAL_MASK.to_owned();
    }
    let mut marked = vec![false; message.len()];
    for value in &known.values {
        mark_value(message.as_bytes(), value, &mut marked);
    }
    let dialect = session.map(|session| session.dialect);
    let all_names = dialect == Some(Dialect::Postgres)
        && ALL_NAMES.iter().any(|begins| message.starts_with(begins));
    let mut at = 0;
    while let Some(quoted) = next_quoted(message.as_bytes(), at) {
        let before = &message[..quoted.start - 1];
        let inside = &message[quoted.clone()];
        let is_name = all_names
            || (dialect == Some(Dialect::Mysql) && before.len() < message.len() && {
                message.as_bytes()[quoted.start - 1] == b'`'
            })
            || names_something(before, inside, dialect)
            || is_known(inside, session, known);
        if !is_name {
            marked[quoted.clone()].fill(true);
        }
        at = quoted.end + 1;
    }
    replaced(message, &mut marked, LITERAL_MASK)
}

/// Whether the words before a quote say that a name is in it.
fn names_something(before: &str, inside: &str, dialect: Option<Dialect>) -> bool {
    BEFORE_NAMES
        .iter()
        .filter(|word| before.ends_with(**word))
        .any(|word| match (*word, dialect) {
            ("constraint ", _) => true,
            ("in ", Some(Dialect::Mysql)) => CLAUSES.contains(&inside),
            (_, Some(Dialect::Mysql)) => true,
            _ => false,
        })
}

/// Whether every part of a name stands in the statement as one, or is the session's own.
fn is_known(inside: &str, session: Option<&Session>, known: &Masked) -> bool {
    let is_own = |part: &str| {
        session.is_some_and(|session| {
            [
                &session.db_user,
                &session.db_namespace,
                &session.client_address,
            ]
            .into_iter()
            .any(|own| {
                own.as_deref()
                    .is_some_and(|own| own.eq_ignore_ascii_case(part))
            })
        })
    };
    inside
        .split(['.', '@', '`', '\'', '"'])
        .filter(|part| !part.is_empty())
        .all(|part| {
            let in_text = known
                .names
                .iter()
                .any(|name| name.eq_ignore_ascii_case(part.as_bytes()));
            in_text || is_own(part)
        })
}

/// What stands in the next quotes at or behind `from`. What is quoted from the text's middle goes on to
/// the message's last quote, and what has no end, to the message's.
fn next_quoted(message: &[u8], from: usize) -> Option<std::ops::Range<usize>> {
    let is_quote = |byte: u8| matches!(byte, b'\'' | b'"' | b'`');
    let is_word = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    let opens = |at: &usize| {
        let before = at.checked_sub(1).and_then(|before| message.get(before));
        is_quote(message[*at]) && !is_word(before)
    };
    let open = (from..message.len()).find(opens)?;
    let quote = message[open];
    let start = open + 1;
    let end = if message[..open].ends_with(b"near ") {
        (start..message.len()).rfind(|at| message[*at] == quote)
    } else {
        (start..message.len()).find(|at| message[*at] == quote && !is_word(message.get(at + 1)))
    };
    Some(start..end.unwrap_or(message.len()))
}

/// The bind values as a message may repeat them.
pub(super) fn values(parameters: &str) -> Vec<Vec<u8>> {
    fn collect(value: &Value, out: &mut Vec<Vec<u8>>) {
        match value {
            Value::String(text) => out.push(text.clone().into_bytes()),
            Value::Number(number) => out.push(number.to_string().into_bytes()),
            Value::Array(values) => values.iter().for_each(|value| collect(value, out)),
            Value::Object(fields) => fields.values().for_each(|value| collect(value, out)),
            Value::Null | Value::Bool(_) => {}
        }
    }
    let mut out = Vec::new();
    match serde_json::from_str(parameters) {
        Ok(value) => collect(&value, &mut out),
        Err(_) => out.push(parameters.as_bytes().to_vec()),
    }
    out
}
