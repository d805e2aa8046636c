//! Names the shape of a statement.
//!
//! Takes a text; gives its normalised form, and 128 bits of that form's SHA-256. Texts of one
//! format have one fingerprint; so have texts that differ only in literals, placeholders, comments,
//! whitespace, the case of unquoted words and a closing `;`. The normalised form is stored and the
//! fingerprint is compared across segments, machines and versions: neither may change for a text.

use std::fmt;

use sha2::{Digest, Sha256};

use super::parts::{Parts, Role};
use crate::flow::Dialect;

/// First 16 bytes of the SHA-256 of a normalised statement.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Fingerprint([u8; 16]);

impl Fingerprint {
    /// Of a statement that [`normalise`] made.
    #[must_use]
    pub fn of(normalised: &str) -> Self {
        let digest = Sha256::digest(normalised.as_bytes());
        let mut first = [0; 16];
        first.copy_from_slice(&digest[..16]);
        Self(first)
    }

    /// Of the 32 hexadecimal digits that [`fmt::Display`] makes.
    #[must_use]
    pub fn parse(digits: &str) -> Option<Self> {
        let number = u128::from_str_radix(digits, 16).ok()?;
        (digits.len() == 32).then(|| Self(number.to_be_bytes()))
    }

    /// The 16 bytes.
    #[must_use]
    pub fn bytes(self) -> [u8; 16] {
        self.0
    }
}

/// 32 hexadecimal digits, lower case.
impl fmt::Display for Fingerprint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:032x}", u128::from_be_bytes(self.0))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

/// The statement with one `?` for each literal, placeholder and list of them, one space for
/// whitespace and comments, unquoted words in lower case, and no `;` or space at its end.
#[must_use]
pub fn normalise(text: &str, dialect: Dialect) -> String {
    let mut normalised = String::with_capacity(text.len().min(4096));
    let mut space = false;
    let mut after_word = false;
    for part in Parts::new(text.as_bytes(), dialect) {
        if matches!(part.role, Role::Space | Role::Comment) {
            space = true;
            continue;
        }
        // `VALUES(1)` is `VALUES (1)`.
        let is_value = matches!(part.role, Role::Literal | Role::Parameter);
        if (space || (after_word && is_value)) && !normalised.is_empty() {
            normalised.push(' ');
        }
        space = false;
        after_word = part.role == Role::Word;
        let code = &text[part.start..part.end];
        match part.role {
            Role::Literal | Role::Parameter => normalised.push('?'),
            Role::Word => normalised.extend(code.chars().map(|letter| letter.to_ascii_lowercase())),
            Role::Code | Role::Marker | Role::Space | Role::Comment => normalised.push_str(code),
        }
    }
    normalised.truncate(normalised.trim_end_matches([';', ' ']).len());
    normalised
}

#[cfg(test)]
mod tests;
