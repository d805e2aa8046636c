//! Masks secrets before anything is stored or printed.
//!
//! Takes rows as they are assembled; gives them with `***` in place of each secret in text, message
//! and bind values. Pure, built on the lexer alone, so that it works on any bytes: failed, cut off,
//! in several statements, or no SQL at all. A text without secrets stays as it is, byte for byte,
//! and a masked text stays as it is when it is masked again.
//!
//! ```text
//! trigger (one scan: can there be a secret?) > code (words, literals) > content (connection strings)
//!         └─ no, nearly always: done            └─ text in literals: again   └> replace > message
//! ```
//!
//! A secret is what follows the words and names that announce one: `PASSWORD '...'`, `IDENTIFIED BY
//! '...'`, arguments of `PASSWORD()` and of functions that take a key, values of columns, options,
//! settings and keys of JSON whose name says so (see `names`), `password=...` in connection strings
//! and command lines, `user:secret@` in URIs. It is masked in either form of literal, in comments,
//! and in code within literals. In doubt near such a word a literal is masked.
//!
//! Out of reach, for want of a parser: values of an `INSERT` (which column they are for is not
//! known), a secret whose name is computed or written in escapes, and one in another statement than
//! the name that announces it (`SET @a = '...'`). What a session's settings make of a backslash is not
//! known either: a text that has one is read in each way, and what is a secret in any is masked.

mod code;
mod content;
mod literal;
mod literals;
mod message;
mod names;
mod replace;
mod trigger;
#[cfg(test)]
mod corpus;
#[cfg(test)]
mod properties;

use std::{borrow::Cow, ops::Range};

use self::{
    code::{Found, Reading, Secret},
    content::Nature,
};
use crate::{
    dedup::{lex::Quoting, next_statement, statement_end},
    flow::{Dialect, Event, Kind, Status},
};

pub use literals::mask_literals;
pub use trigger::may_have_secret;

/// What stands for a secret.
pub const MASK: &str = "***";

/// How often what was masked is looked at again before the rest of it is cut off. Masking can bring
/// together what was apart only where quotes are unbalanced.
const ROUNDS: usize = 8;

/// A text without its secrets.
#[derive(Debug)]
struct Masked {
    bytes: Vec<u8>,
    /// Its end was cut off.
    cut: bool,
    /// What was masked.
    found: Found,
}

/// Masks the secrets of one row.
pub fn mask_event(event: &mut Event) {
    // The recorder's own rows say nothing of what clients sent.
    if matches!(event.kind, Kind::Lifecycle | Kind::Loss) {
        return;
    }
    let dialect = event.session.as_ref().map(|session| session.dialect);
    let failed = event.status != Status::Ok;
    let original = event.text.as_ref().map_or(&[][..], |text| &text.bytes);
    let masked = mask_text(original, dialect, failed, false);
    if let Some(error) = &event.error_message {
        let truncated = event.text.as_ref().is_some_and(|text| text.truncated);
        let clean = message::mask(error, original, truncated, masked.as_ref(), dialect);
        if let Some(clean) = clean {
            event.error_message = Some(clean);
        }
    }
    let Some(masked) = masked else {
        return;
    };
    if let Some(parameters) = &event.parameters
        && let Some(clean) = message::mask_parameters(parameters, &masked.found)
    {
        event.parameters = Some(clean);
    }
    if let Some(text) = &mut event.text {
        text.bytes = masked.bytes;
        text.truncated |= masked.cut;
    }
}

/// Masks the secrets of a statement; without a dialect, those of either.
#[must_use]
pub fn mask(text: &[u8], dialect: Option<Dialect>) -> Cow<'_, [u8]> {
    mask_text(text, dialect, false, false)
        .map_or(Cow::Borrowed(text), |masked| Cow::Owned(masked.bytes))
}

/// The text without its secrets; none when nothing needs a change.
fn mask_text(text: &[u8], dialect: Option<Dialect>, failed: bool, message: bool) -> Option<Masked> {
    if !may_have_secret(text) {
        return None;
    }
    let look = |text: &[u8]| find(text, dialect, failed, message);
    let mut found = look(text);
    let Some(mut bytes) = replace::masked(text, &found.secrets) else {
        let known = found.open || !found.parameters.is_empty();
        return known.then(|| Masked {
            bytes: text.to_vec(),
            cut: false,
            found,
        });
    };
    for _ in 0..ROUNDS {
        let mut again = look(&bytes);
        let Some(next) = replace::masked(&bytes, &again.secrets) else {
            return Some(Masked {
                bytes,
                cut: false,
                found,
            });
        };
        found.values.append(&mut again.values);
        bytes = next;
    }
    // Each turn leaves less of the text, so this ends.
    loop {
        let secrets = look(&bytes).secrets;
        let Some(first) = replace::first(&bytes, &secrets) else {
            return Some(Masked {
                bytes,
                cut: true,
                found,
            });
        };
        bytes.truncate(first);
        bytes.extend_from_slice(MASK.as_bytes());
    }
}

/// All secrets of a text.
fn find(text: &[u8], dialect: Option<Dialect>, failed: bool, message: bool) -> Found {
    let dialects: &[Dialect] = match dialect {
        Some(Dialect::Postgres) => &[Dialect::Postgres],
        Some(Dialect::Mysql) => &[Dialect::Mysql],
        None => &[Dialect::Postgres, Dialect::Mysql],
    };
    let mut all = Found::default();
    let readings = dialects.iter().flat_map(|dialect| {
        let quoting = Quoting::of(text, *dialect).iter();
        quoting.map(|quoting| Reading {
            dialect: *dialect,
            quoting: *quoting,
            failed,
            message,
        })
    });
    for reading in readings {
        let mut found = code::find(text, reading);
        all.secrets.append(&mut found.secrets);
        all.values.append(&mut found.values);
        all.parameters.append(&mut found.parameters);
        all.open |= found.open;
    }
    for dialect in dialects {
        for (range, nature) in statements(text, *dialect, message) {
            let whole = nature == Nature::Code || range.end < text.len();
            for found in content::find(&text[range.clone()], nature, whole).ranges {
                let range = range.start + found.start..range.start + found.end;
                all.values.push(text[range.clone()].to_vec());
                all.secrets.push(Secret { range, bare: false });
            }
        }
    }
    all
}

/// The statements of a text. What begins like none may be a command line or a connection string that
/// was sent by mistake.
fn statements(text: &[u8], dialect: Dialect, message: bool) -> Vec<(Range<usize>, Nature)> {
    if message {
        return vec![(0..text.len(), Nature::Data)];
    }
    // The same as below, for most texts.
    let word = text.iter().take_while(|byte| byte.is_ascii_alphabetic());
    let word = &text[..word.count()];
    let is_usual = |verb: &&str| word.eq_ignore_ascii_case(verb.as_bytes());
    let usual = ["select", "insert", "update", "delete"];
    if usual.iter().any(is_usual) && !text.contains(&b';') {
        return vec![(0..text.len(), Nature::Code)];
    }
    let mut statements = Vec::new();
    let mut from = 0;
    while let Some(start) = next_statement(text, dialect, from) {
        let end = statement_end(text, dialect, start);
        let nature = if code::is_code(&text[start..end], dialect) {
            Nature::Code
        } else {
            Nature::Program
        };
        statements.push((start..end, nature));
        from = end;
    }
    statements
}
