//! Single values of the configuration: sizes, and lists that may be one value.
//!
//! Each is parsed as it is read, so that a wrong one is told with its place in the file.

use std::{fmt, marker::PhantomData, str::FromStr};

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{Error, SeqAccess, Visitor},
};

/// A number of bytes: digits, with `KiB`, `MiB` or `GiB` behind them or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bytes(pub u32);

impl FromStr for Bytes {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let split = text
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(text.len());
        let (digits, unit) = text.split_at(split);
        let factor: u32 = match unit.trim() {
            "" | "B" => 1,
            "K" | "KiB" => 1 << 10,
            "M" | "MiB" => 1 << 20,
            "G" | "GiB" => 1 << 30,
            other => {
                return Err(format!(
                    "unknown unit {other:?}; KiB, MiB and GiB are known"
                ));
            }
        };
        let number: u32 = digits
            .parse()
            .map_err(|_| "a size must start with a number".to_owned())?;
        number
            .checked_mul(factor)
            .map(Self)
            .ok_or_else(|| "the size is too large".to_owned())
    }
}

/// In the largest unit that gives a whole number.
impl fmt::Display for Bytes {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
        let whole = |(factor, _): &(u32, &str)| self.0 >= *factor && self.0.is_multiple_of(*factor);
        match units.into_iter().find(whole) {
            Some((factor, unit)) => write!(formatter, "{}{unit}", self.0 / factor),
            None => write!(formatter, "{}", self.0),
        }
    }
}

impl Serialize for Bytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let One(bytes) = One::deserialize(deserializer)?;
        Ok(bytes)
    }
}

/// One value, written as a string or a whole number.
pub(super) struct One<T>(pub(super) T);

impl<'de, T: FromStr<Err: fmt::Display>> Deserialize<'de> for One<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Parse<T>(PhantomData<T>);

        impl<T: FromStr<Err: fmt::Display>> Visitor<'_> for Parse<T> {
            type Value = One<T>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a string or a whole number")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<One<T>, E> {
                text.parse().map(One).map_err(E::custom)
            }

            fn visit_i64<E: Error>(self, number: i64) -> Result<One<T>, E> {
                self.visit_str(&number.to_string())
            }
        }

        deserializer.deserialize_any(Parse(PhantomData))
    }
}

/// Values of which any will do; one alone needs no list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnyOf<T>(Vec<T>);

impl<T> AnyOf<T> {
    /// Whether any value is as wanted.
    pub fn any(&self, wanted: impl Fn(&T) -> bool) -> bool {
        self.0.iter().any(wanted)
    }
}

impl<T: fmt::Display> Serialize for AnyOf<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(ToString::to_string))
    }
}

impl<'de, T: FromStr<Err: fmt::Display>> Deserialize<'de> for AnyOf<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collect<T>(PhantomData<T>);

        impl<'de, T: FromStr<Err: fmt::Display>> Visitor<'de> for Collect<T> {
            type Value = AnyOf<T>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a value or a list of values")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<AnyOf<T>, E> {
                let value = text.parse().map_err(E::custom)?;
                Ok(AnyOf(vec![value]))
            }

            fn visit_i64<E: Error>(self, number: i64) -> Result<AnyOf<T>, E> {
                self.visit_str(&number.to_string())
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<AnyOf<T>, A::Error> {
                let mut values = Vec::new();
                while let Some(One(value)) = list.next_element()? {
                    values.push(value);
                }
                if values.is_empty() {
                    return Err(A::Error::custom("an empty list holds for nothing"));
                }
                Ok(AnyOf(values))
            }
        }

        deserializer.deserialize_any(Collect(PhantomData))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        let check = |text: &str, expected: Option<u32>| {
            assert_eq!(text.parse().ok(), expected.map(Bytes), "{text}");
        };
        check("256", Some(256));
        check("64KiB", Some(65_536));
        check("1MiB", Some(1 << 20));
        check("1 MiB", Some(1 << 20));
        check("MiB", None);
        check("1MB", None);
        check("99999999999", None);
        check("4GiB", None);
        check("-1", None);
    }

    #[test]
    fn sizes_are_shown_as_they_are_read() {
        for (bytes, shown) in [
            (0, "0"),
            (1023, "1023"),
            (1536, "1536"),
            (65_536, "64KiB"),
            (1 << 30, "1GiB"),
        ] {
            assert_eq!(Bytes(bytes).to_string(), shown);
            assert_eq!(shown.parse(), Ok(Bytes(bytes)));
        }
    }
}
