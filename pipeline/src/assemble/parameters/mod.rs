//! Bind values as JSON, out of the form in which each server has them.
//!
//! Takes `PARAMETERS` and `VALUE` records, gives the column `parameters`: a JSON list with a number,
//! string, `true`, `false` or `null` for each value whose type is known, else an object with its type
//! and its bytes in hexadecimal. What is not on record is never made up.

mod mysql;
mod postgres;
mod time;

use std::fmt::Write as _;

use capture_common::{
    ids::parameter_form,
    record::{NO_COUNT, Parameters, Value as ValueRecord},
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::prepared::Execution;
use crate::flow::Text;

/// Values of one statement that are kept.
const VALUES_MAX: usize = 10_000;

/// Bind values as they came from the kernel.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Bound {
    fixed: Parameters,
    data: Vec<u8>,
    values: Vec<(ValueRecord, Vec<u8>)>,
    /// Whether there are many rows of values (MariaDB).
    pub(super) bulk: bool,
}

impl Bound {
    pub(super) fn new(fixed: &Parameters, data: &[u8]) -> Self {
        Self {
            fixed: *fixed,
            data: data.to_vec(),
            values: Vec::new(),
            bulk: false,
        }
    }

    /// Adds a value that the record of all only points to.
    pub(super) fn add(&mut self, value: &ValueRecord, data: &[u8]) {
        if self.values.len() < VALUES_MAX {
            self.values.push((*value, data.to_vec()));
        }
    }

    /// The list; `max` bytes of a value at most. None when the values cannot be told apart. `text` is the
    /// statement's, `execution` what is known of it and of what was bound before, which is brought up to
    /// date (MariaDB, MySQL).
    pub(super) fn json(
        self,
        max: usize,
        text: Option<&Text>,
        execution: Option<&mut Execution>,
    ) -> Option<String> {
        let list = match self.fixed.form {
            parameter_form::POSTGRES => postgres::list(&self, max),
            parameter_form::PACKET => mysql::packet(&self, max, text, execution?)?,
            parameter_form::MYSQL => mysql::array(&self, max, execution)?,
            _ => return None,
        };
        Some(Value::from(list).to_string())
    }
}

/// A text, or its beginning and its whole length in bytes.
fn text(bytes: &[u8], len: u64, max: usize) -> Option<Value> {
    let whole = bytes.len() as u64 == len && bytes.len() <= max;
    if whole {
        return std::str::from_utf8(bytes).ok().map(Value::from);
    }
    let shown = bytes.get(..max).unwrap_or(bytes);
    let valid = match std::str::from_utf8(shown) {
        Ok(text) => text,
        // The cut may divide a character.
        Err(error) if error.error_len().is_none() => {
            std::str::from_utf8(shown.get(..error.valid_up_to())?).ok()?
        }
        Err(_) => return None,
    };
    let mut fields = Map::new();
    fields.insert("text".to_owned(), valid.into());
    if len != NO_COUNT {
        fields.insert("bytes".to_owned(), len.into());
    }
    Some(fields.into())
}

/// Bytes of a type that is shown as they are.
fn hexadecimal(kind: &str, bytes: &[u8], len: u64, max: usize) -> Value {
    let shown = bytes.get(..max).unwrap_or(bytes);
    let mut digits = String::with_capacity(shown.len() * 2);
    for byte in shown {
        // Writing to a string cannot fail.
        _ = write!(digits, "{byte:02x}");
    }
    let mut fields = Map::new();
    fields.insert("type".to_owned(), kind.into());
    fields.insert("hex".to_owned(), digits.into());
    if len != NO_COUNT && len != shown.len() as u64 {
        fields.insert("bytes".to_owned(), len.into());
    }
    fields.into()
}

/// A value that is not on record.
fn lost(kind: &str) -> Value {
    Map::from_iter([
        ("type".to_owned(), kind.into()),
        ("lost".to_owned(), true.into()),
    ])
    .into()
}

/// A floating-point number; JSON has none for NaN and the infinities, which are named as PostgreSQL does.
fn float(number: f64) -> Value {
    serde_json::Number::from_f64(number).map_or_else(
        || number.to_string().replace("inf", "Infinity").into(),
        Value::from,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cut_texts() {
        let check = |bytes: &[u8], len: u64, max: usize, expected: Option<&str>| {
            let shown = text(bytes, len, max).map(|value| value.to_string());
            assert_eq!(shown.as_deref(), expected, "{bytes:?}");
        };
        check(b"abc", 3, 10, Some(r#""abc""#));
        check(b"abcdef", 6, 4, Some(r#"{"text":"abcd","bytes":6}"#));
        check(b"abc", 300, 10, Some(r#"{"text":"abc","bytes":300}"#));
        check("aé".as_bytes(), 3, 2, Some(r#"{"text":"a","bytes":3}"#));
        check(b"caf\xe9", 4, 10, None);
        check(b"\xe9abc", 9, 10, None);
        check(b"ab", NO_COUNT, 10, Some(r#"{"text":"ab"}"#));
    }

    #[test]
    fn bytes_and_numbers() {
        let hex = |bytes: &[u8], len, max| hexadecimal("bytea", bytes, len, max).to_string();
        assert_eq!(hex(b"\x00\xff", 2, 10), r#"{"type":"bytea","hex":"00ff"}"#);
        assert_eq!(
            hex(b"\x00\xff\x01", 3, 2),
            r#"{"type":"bytea","hex":"00ff","bytes":3}"#
        );
        assert_eq!(float(1.5).to_string(), "1.5");
        assert_eq!(float(f64::NAN).to_string(), r#""NaN""#);
        assert_eq!(float(f64::NEG_INFINITY).to_string(), r#""-Infinity""#);
        assert_eq!(lost("text").to_string(), r#"{"type":"text","lost":true}"#);
    }
}
