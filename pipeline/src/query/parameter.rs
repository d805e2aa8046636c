//! Parameters of saved questions.
//!
//! Takes a person's word, gives the value to bind; `now` is an argument.

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime};
use rusqlite::types::Value;

/// One parameter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parameter {
    /// Its name, without `$`.
    pub name: String,
    /// What its values are.
    pub kind: ParameterType,
    /// Their unit, `-` without one.
    pub unit: String,
    /// What holds when it is not given.
    pub default: DefaultValue,
    /// What it says.
    pub meaning: String,
}

/// What the values of a parameter are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ParameterType {
    /// Any text.
    Text,
    /// A signed 64-bit integer, not below zero.
    Integer,
    /// A moment; microseconds since the Unix epoch when bound.
    Time,
    /// One of these words.
    Choice(Vec<String>),
}

/// What holds when a parameter is not given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DefaultValue {
    /// Nothing: it must be given.
    Required,
    /// SQL NULL.
    Null,
    /// This word, read as if a person had given it.
    Word(String),
}

/// Why a word is not a value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParameterError {
    /// Not a whole number from zero.
    #[error("`{0}` is not a whole number from 0 to 9223372036854775807")]
    Integer(String),
    /// Not a moment.
    #[error(
        "`{0}` is not a time (2026-11-22, 2026-11-22T01:05:51Z, or -15m, -2h, -7d for that long ago)"
    )]
    Time(String),
    /// None of the choices.
    #[error("`{word}` is none of {}", choices.join(", "))]
    Choice {
        /// What was given.
        word: String,
        /// What can be given.
        choices: Vec<String>,
    },
}

impl ParameterType {
    /// The word for this type in a header.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Integer => "integer",
            Self::Time => "time",
            Self::Choice(_) => "choice",
        }
    }

    /// The value that a word stands for; relative times count from `now_us`.
    ///
    /// # Errors
    /// The word does not fit the type.
    pub fn value(&self, word: &str, now_us: i64) -> Result<Value, ParameterError> {
        match self {
            Self::Text => Ok(Value::Text(word.to_owned())),
            Self::Integer => match word.parse::<i64>() {
                Ok(number) if number >= 0 => Ok(Value::Integer(number)),
                Ok(_) | Err(_) => Err(ParameterError::Integer(word.to_owned())),
            },
            Self::Time => time_us(word, now_us)
                .map(Value::Integer)
                .ok_or_else(|| ParameterError::Time(word.to_owned())),
            Self::Choice(choices) if choices.iter().any(|choice| choice == word) => {
                Ok(Value::Text(word.to_owned()))
            }
            Self::Choice(choices) => Err(ParameterError::Choice {
                word: word.to_owned(),
                choices: choices.clone(),
            }),
        }
    }
}

/// Microseconds since the Unix epoch of an RFC 3339 time, a date or date and time in UTC, or `-2h` ago.
pub(crate) fn time_us(word: &str, now_us: i64) -> Option<i64> {
    if let Some(ago) = word.strip_prefix('-') {
        let (count, unit) = ago.split_at_checked(ago.len().checked_sub(1)?)?;
        let seconds: i64 = match unit {
            "s" => 1,
            "m" => 60,
            "h" => 3600,
            "d" => 86_400,
            _ => return None,
        };
        let count: i64 = count.parse::<u32>().ok()?.into();
        return now_us.checked_sub(count.checked_mul(seconds)?.checked_mul(1_000_000)?);
    }
    if let Ok(time) = DateTime::parse_from_rfc3339(word) {
        return Some(time.timestamp_micros());
    }
    if let Ok(date) = NaiveDate::parse_from_str(word, "%Y-%m-%d") {
        return Some(date.and_time(NaiveTime::MIN).and_utc().timestamp_micros());
    }
    [
        "%Y-%m-%d %H:%M",
        "%Y-%m-%dT%H:%M",
        "%Y-%m-%d %H:%M:%S%.f",
        "%Y-%m-%dT%H:%M:%S%.f",
    ]
    .iter()
    .find_map(|form| NaiveDateTime::parse_from_str(word, form).ok())
    .map(|time| time.and_utc().timestamp_micros())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times() {
        let now = 1_795_309_551_123_456; // 2026-11-22T01:05:51.123456Z
        let check =
            |word: &str, expected: Option<i64>| assert_eq!(time_us(word, now), expected, "{word}");
        check("2026-11-22T01:05:51.123456Z", Some(now));
        check("2026-11-22 01:05:51.123456", Some(now));
        check("2026-11-22T02:05:51.123456+01:00", Some(now));
        check("2026-11-22", Some(1_795_305_600_000_000));
        check("2026-11-22 01:05", Some(1_795_309_500_000_000));
        check("1970-01-01T00:00:00Z", Some(0));
        check("9999-12-31T23:59:59Z", Some(253_402_300_799_000_000));
        check("-15m", Some(now - 900_000_000));
        check("-2h", Some(now - 7_200_000_000));
        check("-7d", Some(now - 604_800_000_000));
        for bad in [
            "",
            "-",
            "-h",
            "-2",
            "--2h",
            "-2w",
            "-é",
            "2h",
            "yesterday",
            "2026-13-01",
            "22.11.2026",
            "1795309551",
        ] {
            check(bad, None);
        }
    }

    #[test]
    fn values_have_their_type() {
        assert_eq!(
            ParameterType::Text.value("5", 0),
            Ok(Value::Text("5".into()))
        );
        assert_eq!(ParameterType::Integer.value("5", 0), Ok(Value::Integer(5)));
        assert_eq!(
            ParameterType::Integer.value("-5", 0),
            Err(ParameterError::Integer("-5".into()))
        );
        assert_eq!(
            ParameterType::Integer.value("5x", 0),
            Err(ParameterError::Integer("5x".into()))
        );
        let choice = ParameterType::Choice(vec!["time".into(), "rows".into()]);
        assert_eq!(choice.value("rows", 0), Ok(Value::Text("rows".into())));
        assert!(choice.value("row", 0).is_err());
    }
}
