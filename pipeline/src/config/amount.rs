//! How much is kept: sizes beyond a statement's, and ages.
//!
//! Each is parsed as it is read, so that a wrong one is told with its place in the file, and shown in the
//! largest unit that gives a whole number.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::value::One;

/// Bytes of a disk or of an archive: digits, with `KiB`, `MiB`, `GiB` or `TiB` behind them or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Size(i64);

/// A length of time: digits with `s`, `m`, `h` or `d` behind them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Age {
    seconds: i64,
}

const SIZES: [(&str, i64); 5] = [
    ("TiB", 1 << 40),
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("", 1),
];

const AGES: [(&str, i64); 4] = [("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)];

impl Size {
    /// Of so many bytes.
    #[must_use]
    pub const fn of(bytes: i64) -> Self {
        Self(bytes)
    }

    /// Bytes.
    #[must_use]
    pub fn bytes(self) -> i64 {
        self.0
    }

    /// For a person: no more than four digits, rounded down.
    #[must_use]
    pub fn about(self) -> Self {
        let mut unit = 1;
        while self.0 / unit >= 10_000 {
            unit <<= 10;
        }
        Self(self.0 / unit * unit)
    }
}

impl Age {
    /// Microseconds.
    #[must_use]
    pub fn us(self) -> i64 {
        self.seconds.saturating_mul(1_000_000)
    }
}

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        parse(text, &SIZES)
            .map(Self)
            .map_err(|error| error.told("size", "KiB, MiB, GiB and TiB"))
    }
}

impl FromStr for Age {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        parse(text, &AGES)
            .map(|seconds| Self { seconds })
            .map_err(|error| error.told("age", "s, m, h and d"))
    }
}

impl fmt::Display for Size {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        show(self.0, &SIZES, formatter)
    }
}

impl fmt::Display for Age {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        show(self.seconds, &AGES, formatter)
    }
}

/// What is wrong with an amount.
enum Wrong {
    NoNumber,
    Unit(String),
    TooLarge,
}

impl Wrong {
    fn told(self, what: &str, units: &str) -> String {
        match self {
            Self::NoNumber => format!("the {what} must start with a number"),
            Self::Unit(unit) => format!("unknown unit {unit:?}; {units} are known"),
            Self::TooLarge => format!("the {what} is too large"),
        }
    }
}

fn parse(text: &str, units: &[(&str, i64)]) -> Result<i64, Wrong> {
    let split = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (digits, unit) = text.split_at(split);
    if digits.is_empty() {
        return Err(Wrong::NoNumber);
    }
    let unit = unit.trim();
    let (_, factor) = units
        .iter()
        .find(|(name, _)| *name == unit)
        .ok_or_else(|| Wrong::Unit(unit.to_owned()))?;
    let number: i64 = digits.parse().map_err(|_| Wrong::TooLarge)?;
    number.checked_mul(*factor).ok_or(Wrong::TooLarge)
}

fn show(amount: i64, units: &[(&str, i64)], formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
    let whole = |(_, factor): &&(&str, i64)| amount >= *factor && amount % factor == 0;
    let smallest = units.last().map_or("", |(unit, _)| unit);
    match units.iter().find(whole) {
        Some((unit, factor)) => write!(formatter, "{}{unit}", amount / factor),
        None => write!(formatter, "{amount}{smallest}"),
    }
}

impl Serialize for Size {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Serialize for Age {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        One::deserialize(deserializer).map(|One(size)| size)
    }
}

impl<'de> Deserialize<'de> for Age {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        One::deserialize(deserializer).map(|One(age)| age)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_shown_as_they_are_read() {
        let sizes = [
            ("0", 0),
            ("1023", 1023),
            ("64KiB", 65_536),
            ("3TiB", 3 << 40),
        ];
        for (shown, bytes) in sizes {
            assert_eq!(shown.parse(), Ok(Size(bytes)));
            assert_eq!(Size(bytes).to_string(), shown);
        }
        let ages = [
            ("0s", 0),
            ("90s", 90),
            ("2m", 120),
            ("5h", 18_000),
            ("400d", 34_560_000),
        ];
        for (shown, seconds) in ages {
            assert_eq!(shown.parse(), Ok(Age { seconds }));
            assert_eq!(Age { seconds }.to_string(), shown);
        }
        assert_eq!(
            "24h".parse::<Age>().map(|age| age.to_string()),
            Ok("1d".to_owned())
        );
        assert_eq!("1 GiB".parse::<Size>(), Ok(Size(1 << 30)));
        let abouts = [
            (9_999, "9999"),
            (10_000, "9KiB"),
            ((5 << 20) - 1, "5119KiB"),
            (99 << 30, "99GiB"),
        ];
        for (bytes, shown) in abouts {
            assert_eq!(Size(bytes).about().to_string(), shown);
        }
    }

    #[test]
    fn what_is_no_amount_is_told() {
        for (text, told) in [
            ("", "the age must start with a number"),
            ("d", "the age must start with a number"),
            ("-1d", "the age must start with a number"),
            ("30", "unknown unit \"\"; s, m, h and d are known"),
            ("2w", "unknown unit \"w\"; s, m, h and d are known"),
            ("99999999999999999d", "the age is too large"),
        ] {
            assert_eq!(text.parse::<Age>(), Err(told.to_owned()));
        }
        assert_eq!(
            "1GB".parse::<Size>(),
            Err("unknown unit \"GB\"; KiB, MiB, GiB and TiB are known".to_owned())
        );
    }
}
