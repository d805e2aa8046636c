//! Secrets in what the server said about a statement, and in its bind values.
//!
//! Takes a message and what was found in the statement's text; gives the message without those
//! secrets. A server quotes from the text: whole literals, or a part of it cut off anywhere.

use serde_json::Value;

use super::{MASK, Masked, code::Found, mask_text};
use crate::flow::Dialect;

/// So many bytes in common with a secret are a part of it.
const PART: usize = 8;

/// How many quotes of a message are looked at.
const QUOTES_MAX: usize = 32;

/// The message without secrets; none when it has none.
pub(super) fn mask(
    message: &str,
    text: &[u8],
    truncated: bool,
    masked: Option<&Masked>,
    dialect: Option<Dialect>,
) -> Option<String> {
    let mut marked = vec![false; message.len()];
    if let Some(masked) = masked {
        for value in &masked.found.values {
            mark_value(message.as_bytes(), value, &mut marked);
        }
        mark_excerpts(message.as_bytes(), text, dialect, masked, &mut marked);
    }
    if truncated {
        let values = masked.map_or(&[][..], |masked| &masked.found.values);
        for value in values.iter().filter(|value| text.ends_with(value)) {
            mark_beginning(message.as_bytes(), value, &mut marked);
        }
        mark_unknown(message.as_bytes(), text, masked, &mut marked);
    }
    let clean = replaced(message, &mut marked, MASK);
    // Its own words may announce a secret too: the text may be another one than ours.
    match mask_text(clean.as_bytes(), dialect, true, true) {
        Some(again) => Some(String::from_utf8_lossy(&again.bytes).into_owned()),
        None => Some(clean),
    }
    .filter(|clean| clean != message)
}

/// Marks a secret wherever it stands, and parts of it that are long enough to be no chance.
pub(super) fn mark_value(message: &[u8], value: &[u8], marked: &mut [bool]) {
    if value.is_empty() || value == MASK.as_bytes() {
        return;
    }
    let is_word = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    if value.len() < PART {
        for (at, bytes) in message.windows(value.len()).enumerate() {
            let behind = message.get(at + value.len());
            let before = at.checked_sub(1).and_then(|at| message.get(at));
            // A short one may be part of any word.
            let apart = value.len() > 3 || (!is_word(before) && !is_word(behind));
            if bytes == value && apart {
                marked[at..at + value.len()].fill(true);
            }
        }
        return;
    }
    let parts: std::collections::HashSet<&[u8]> = value.windows(PART).collect();
    for (at, bytes) in message.windows(PART).enumerate() {
        if parts.contains(bytes) {
            marked[at..at + PART].fill(true);
        }
    }
}

/// Marks the words that begin with `value`, the recorded part of a secret.
fn mark_beginning(message: &[u8], value: &[u8], marked: &mut [bool]) {
    if value.is_empty() {
        return;
    }
    let goes_on = |byte: &u8| !byte.is_ascii_whitespace() && !matches!(byte, b'\'' | b'"');
    for (at, bytes) in message.windows(value.len()).enumerate() {
        let begins = at == 0 || !message[at - 1].is_ascii_alphanumeric();
        if bytes == value && begins {
            let rest = message[at + value.len()..].iter();
            let end = at + value.len() + rest.take_while(|byte| goes_on(byte)).count();
            marked[at..end].fill(true);
        }
    }
}

/// Marks what of an excerpt from the text is a secret there.
fn mark_excerpts(
    message: &[u8],
    text: &[u8],
    dialect: Option<Dialect>,
    masked: &Masked,
    marked: &mut [bool],
) {
    let secrets: Vec<_> = super::find(text, dialect, true, false)
        .secrets
        .into_iter()
        .chain(masked.found.secrets.iter().cloned())
        .map(|secret| secret.range)
        .collect();
    for excerpt in excerpts(message) {
        let quoted = &message[excerpt.clone()];
        for (at, bytes) in text.windows(quoted.len()).enumerate() {
            if bytes != quoted {
                continue;
            }
            for secret in &secrets {
                let from = secret.start.clamp(at, at + quoted.len()) - at;
                let to = secret.end.clamp(at, at + quoted.len()) - at;
                marked[excerpt.start + from..excerpt.start + to].fill(true);
            }
        }
    }
}

/// What stands between a quote and the message's last quote.
fn excerpts(message: &[u8]) -> Vec<std::ops::Range<usize>> {
    let quotes: Vec<usize> = (0..message.len())
        .filter(|at| matches!(message[*at], b'\'' | b'"'))
        .collect();
    let Some(last) = quotes.last().copied() else {
        return Vec::new();
    };
    quotes
        .iter()
        .take(QUOTES_MAX)
        .map(|open| open + 1..last)
        .filter(|range| range.start < range.end)
        .collect()
}

/// Marks what is quoted from a part of the text that was not recorded, if it can have a secret: one
/// was to follow where the record ends, or there is a literal in it.
fn mark_unknown(message: &[u8], text: &[u8], masked: Option<&Masked>, marked: &mut [bool]) {
    const NEAR: &[u8] = b"near ";
    let open = masked.is_some_and(|masked| masked.found.open);
    let near = message.windows(NEAR.len()).position(|bytes| bytes == NEAR);
    let Some(from) = near.or(open.then_some(0)) else {
        return;
    };
    let Some(excerpt) = excerpts(message)
        .into_iter()
        .find(|range| range.start > from)
    else {
        return;
    };
    let quoted = &message[excerpt.clone()];
    let recorded = text.windows(quoted.len()).any(|bytes| bytes == quoted);
    let has_literal = quoted
        .iter()
        .any(|byte| matches!(byte, b'\'' | b'"' | b'$'));
    if !recorded && (open || has_literal) {
        marked[excerpt].fill(true);
    }
}

/// The message with `mask` for each run of marked bytes.
pub(super) fn replaced(message: &str, marked: &mut [bool], mask: &str) -> String {
    // A character is masked as a whole.
    for (at, character) in message.char_indices() {
        let bytes = &mut marked[at..at + character.len_utf8()];
        let any = bytes.iter().any(|marked| *marked);
        bytes.fill(any);
    }
    let mut clean = String::with_capacity(message.len());
    let mut before = false;
    for (at, character) in message.char_indices() {
        if !marked[at] {
            clean.push(character);
        } else if !before {
            clean.push_str(mask);
        }
        before = marked[at];
    }
    clean
}

/// The bind values without secrets; none when they have none.
pub(super) fn mask_parameters(parameters: &str, found: &Found) -> Option<String> {
    let Ok(mut values) = serde_json::from_str::<Value>(parameters) else {
        let mut marked = vec![false; parameters.len()];
        for value in &found.values {
            mark_value(parameters.as_bytes(), value, &mut marked);
        }
        return Some(replaced(parameters, &mut marked, MASK)).filter(|clean| clean != parameters);
    };
    let original = values.clone();
    if let Value::Array(values) = &mut values {
        for number in &found.parameters {
            if let Some(value) = number.checked_sub(1).and_then(|at| values.get_mut(at))
                && !value.is_null()
            {
                *value = Value::String(MASK.to_owned());
            }
        }
    }
    mask_strings(&mut values, found);
    (values != original).then(|| values.to_string())
}

fn mask_strings(value: &mut Value, found: &Found) {
    match value {
        Value::String(text) => {
            let mut marked = vec![false; text.len()];
            for secret in &found.values {
                mark_value(text.as_bytes(), secret, &mut marked);
            }
            *text = replaced(text, &mut marked, MASK);
        }
        Value::Array(values) => values
            .iter_mut()
            .for_each(|value| mask_strings(value, found)),
        Value::Object(fields) => fields
            .values_mut()
            .for_each(|value| mask_strings(value, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}
