//! The text of a statement without its literals.
//!
//! What a session's settings make of a backslash is not known (see [`Quoting`]). Where the readings that
//! are possible part, all that follows is masked as one literal.

use super::{
    super::{code::Reading, literal::Inside},
    LITERAL_MASK,
};
use crate::{
    dedup::{
        lex::{Kind, Lexer, Quoting, Token},
        parts::{Parts, Role},
        template::inside_comment,
    },
    flow::Dialect,
};

/// A text without literals, and what is known of it.
#[derive(Debug, Default)]
pub(super) struct Masked {
    pub(super) bytes: Vec<u8>,
    /// The literals, as they stand in the text and as the server reads them.
    pub(super) values: Vec<Vec<u8>>,
    /// Its names and words, in lower case.
    pub(super) names: Vec<Vec<u8>>,
}

/// Masks the literals of `text`; all of it where the dialect is not known. A text that `ended_well` is
/// whole, and its server could read it.
pub(super) fn masked(text: &[u8], dialect: Option<Dialect>, ended_well: bool) -> Masked {
    let Some(dialect) = dialect else {
        return Masked {
            bytes: rest(text).to_vec(),
            values: words(text),
            names: Vec::new(),
        };
    };
    let readings = readings(text, dialect, ended_well);
    let until = agreement(text, dialect, &readings);
    let reading = Reading::whole(dialect, readings.first().copied().unwrap_or(Quoting::Usual));
    let mut masked = Masked {
        bytes: code(&text[..until], reading),
        ..Masked::default()
    };
    if !masked.bytes.ends_with(LITERAL_MASK.as_bytes()) {
        masked.bytes.extend_from_slice(rest(&text[until..]));
    }
    for token in reading.lexer(&text[..until], 0) {
        note(&mut masked, text, &token, reading);
    }
    masked.values.extend(words(&text[until..]));
    masked
}

fn rest(text: &[u8]) -> &[u8] {
    if text.is_empty() {
        b""
    } else {
        LITERAL_MASK.as_bytes()
    }
}

/// The readings that are possible.
fn readings(text: &[u8], dialect: Dialect, ended_well: bool) -> Vec<Quoting> {
    let all = Quoting::of(text, dialect);
    if all.len() == 1 || !ended_well {
        return all.to_vec();
    }
    let likely = |quoting: &Quoting| is_sound(text, Reading::whole(dialect, *quoting));
    let sound: Vec<Quoting> = all.iter().copied().filter(likely).collect();
    if sound.is_empty() {
        all.to_vec()
    } else {
        sound
    }
}

/// Whether a server could take the text so: every quote is closed, and no backslash is code, but for
/// the `\N` of MariaDB and MySQL.
fn is_sound(text: &[u8], reading: Reading) -> bool {
    reading.lexer(text, 0).all(|token| match token.kind {
        Kind::Text | Kind::Quoted => {
            token.end < text.len() || Inside::of(text, &token, reading).closed
        }
        Kind::Symbol => {
            text[token.start] != b'\\'
                || (reading.dialect == Dialect::Mysql && text.get(token.end) == Some(&b'N'))
        }
        Kind::Space
        | Kind::Comment
        | Kind::Marker
        | Kind::Word
        | Kind::Number
        | Kind::Parameter => true,
    })
}

/// How far all readings give the same tokens.
fn agreement(text: &[u8], dialect: Dialect, readings: &[Quoting]) -> usize {
    let lexer = |quoting: &Quoting| Lexer::new(text, dialect).quoting(*quoting);
    let Some((first, others)) = readings
        .split_first()
        .filter(|(_, others)| !others.is_empty())
    else {
        return text.len();
    };
    let mut others: Vec<Lexer<'_>> = others.iter().map(lexer).collect();
    for token in lexer(first) {
        if others.iter_mut().any(|other| other.next() != Some(token)) {
            return token.start;
        }
    }
    text.len()
}

/// The text with a mask for each literal, list of literals and inside of a comment.
fn code(text: &[u8], reading: Reading) -> Vec<u8> {
    let mut code = Vec::with_capacity(text.len());
    for part in Parts::new(text, reading.dialect).quoting(reading.quoting) {
        let slot = match part.role {
            Role::Literal => {
                // `VALUES(1)` has the fingerprint of `VALUES (1)`; both read `VALUES ?`.
                let glued = |byte: &u8| byte.is_ascii_alphanumeric() || *byte >= 0x80;
                if code.last().is_some_and(glued) {
                    code.push(b' ');
                }
                part.start..part.end
            }
            Role::Comment => inside_comment(text, part, reading.dialect),
            Role::Parameter | Role::Space | Role::Word | Role::Code | Role::Marker => {
                part.end..part.end
            }
        };
        code.extend_from_slice(&text[part.start..slot.start]);
        if !slot.is_empty() {
            code.extend_from_slice(LITERAL_MASK.as_bytes());
        }
        code.extend_from_slice(&text[slot.end..part.end]);
    }
    code
}

/// Notes what a token says, for the message.
fn note(masked: &mut Masked, text: &[u8], token: &Token, reading: Reading) {
    let bytes = token.of(text);
    match token.kind {
        Kind::Text | Kind::Comment => {
            let inside = Inside::of(text, token, reading);
            masked.values.push(text[inside.content.clone()].to_vec());
            if token.kind == Kind::Text {
                masked.values.push(inside.bytes.to_ascii_lowercase());
                masked.values.push(inside.bytes.into_owned());
            }
        }
        Kind::Number => masked.values.push(bytes.to_vec()),
        Kind::Word => masked.names.push(bytes.to_ascii_lowercase()),
        Kind::Quoted => {
            let inside = Inside::of(text, token, reading);
            masked.names.push(inside.bytes.to_ascii_lowercase());
        }
        Kind::Space | Kind::Marker | Kind::Parameter | Kind::Symbol => {}
    }
}

/// What a message may repeat of a text that cannot be read.
fn words(text: &[u8]) -> Vec<Vec<u8>> {
    let is_word = |byte: &u8| byte.is_ascii_alphanumeric() || *byte >= 0x80;
    text.split(|byte| !is_word(byte))
        .filter(|word| !word.is_empty())
        .chain((!text.is_empty()).then_some(text))
        .map(<[u8]>::to_vec)
        .collect()
}
