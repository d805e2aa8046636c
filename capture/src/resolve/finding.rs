//! How one fact about a server's memory was found, or why it was not.
//!
//! Takes what single functions reveal, gives fields for the layout and for the reader of a report.
//! It must never let one source outvote another: sources that disagree leave the field absent.

use capture_common::target::{ABSENT, NO_ADDRESS};

use super::trace::{Trace, trace};
use crate::elf::{Image, Symbol};

/// One fact about a server binary, found or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// Its name in the layout, such as `port_user`.
    pub name: &'static str,
    /// An offset in bytes, an address or a number; `None` when it could not be found.
    pub value: Option<u64>,
    /// The functions and instructions that revealed it; empty when it was not found.
    pub how: String,
    /// Why it was not found; empty when it was.
    pub why_missing: String,
}

/// A value and its source, or why there is none.
pub(crate) type Finding = Result<Found, String>;

/// A value and the source that revealed it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) value: u64,
    pub(crate) how: String,
}

/// The value at an event of a trace. Negative values are no offsets, and mean that it was misread.
pub(crate) fn found(trace: &Trace, at: u64, what: &str, value: i64) -> Finding {
    // Parts of a function may stand before it.
    let distance = at.cast_signed();
    let sign = if distance < 0 { '-' } else { '+' };
    let how = format!(
        "{}{sign}{:#x}: {what}",
        trace.symbol,
        distance.unsigned_abs()
    );
    match u64::try_from(value) {
        Ok(value) => Ok(Found { value, how }),
        Err(_) => Err(format!("{how} is negative ({value})")),
    }
}

/// The first event of a trace that shows a value, as `(at, value)`.
pub(crate) fn first(
    trace: &Trace,
    what: &str,
    mut values: impl Iterator<Item = (u64, i64)>,
) -> Finding {
    match values.next() {
        Some((at, value)) => found(trace, at, what, value),
        None => Err(format!("{} does not show it ({what})", trace.symbol)),
    }
}

/// Follows an exported function, or says that there is none.
pub(crate) fn follow(image: &Image, symbol: &'static str) -> Result<Trace, String> {
    trace(image, symbol).ok_or_else(|| format!("{symbol} is not exported"))
}

/// The address of an exported function or variable, or says that there is none.
pub(crate) fn exported(image: &Image, symbol: &'static str) -> Result<Symbol, String> {
    image
        .symbol(symbol)
        .ok_or_else(|| format!("{symbol} is not exported"))
}

/// The address of an exported variable.
pub(crate) fn variable(image: &Image, symbol: &'static str) -> Finding {
    let found = exported(image, symbol)?;
    Ok(Found {
        value: found.address,
        how: format!("symbol {symbol}"),
    })
}

/// Takes two sources of one fact: either alone is believed, but not against the other.
pub(crate) fn agreed(one: Finding, other: Finding) -> Finding {
    match (one, other) {
        (Ok(one), Ok(other)) if one.value == other.value => Ok(Found {
            value: one.value,
            how: format!("{}; {}", one.how, other.how),
        }),
        (Ok(one), Ok(other)) => Err(format!(
            "sources disagree: {:#x} ({}), {:#x} ({})",
            one.value, one.how, other.value, other.how
        )),
        (Ok(one), Err(_)) | (Err(_), Ok(one)) => Ok(one),
        (Err(one), Err(other)) => Err(format!("{one}; {other}")),
    }
}

/// Collects fields while a layout is filled in.
#[derive(Debug, Default)]
pub(crate) struct Fields(pub(crate) Vec<Field>);

impl Fields {
    /// A struct offset or small number for the layout.
    pub(crate) fn offset(&mut self, name: &'static str, finding: Finding) -> u32 {
        let finding = finding.and_then(|found| match u32::try_from(found.value) {
            Ok(value) if value != ABSENT => Ok(found),
            Ok(_) | Err(_) => Err(format!("{:#x} is no offset ({})", found.value, found.how)),
        });
        self.note(name, finding)
            .and_then(|value| u32::try_from(value).ok())
            .unwrap_or(ABSENT)
    }

    /// A virtual address for the layout.
    pub(crate) fn address(&mut self, name: &'static str, finding: Finding) -> u64 {
        self.note(name, finding).unwrap_or(NO_ADDRESS)
    }

    fn note(&mut self, name: &'static str, finding: Finding) -> Option<u64> {
        let (value, how, why_missing) = match finding {
            Ok(found) => (Some(found.value), found.how, String::new()),
            Err(why) => (None, String::new(), why),
        };
        self.0.push(Field {
            name,
            value,
            how,
            why_missing,
        });
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn says(value: u64) -> Finding {
        Ok(Found {
            value,
            how: format!("source of {value}"),
        })
    }

    fn silent() -> Finding {
        Err("silent".to_owned())
    }

    #[test]
    fn two_sources() {
        let check = |one, other, expected: Option<u64>| {
            assert_eq!(agreed(one, other).ok().map(|found| found.value), expected);
        };
        check(says(8), says(8), Some(8));
        check(says(8), silent(), Some(8));
        check(silent(), says(8), Some(8));
        check(silent(), silent(), None);
        check(says(8), says(16), None);
    }

    #[test]
    fn what_is_not_an_offset_is_absent() {
        let mut fields = Fields::default();
        assert_eq!(fields.offset("a", says(u64::from(u32::MAX))), ABSENT);
        assert_eq!(fields.offset("b", says(1 << 40)), ABSENT);
        assert_eq!(fields.offset("c", says(0)), 0);
        assert_eq!(fields.address("d", silent()), NO_ADDRESS);
        assert_eq!(
            fields
                .0
                .iter()
                .filter(|field| field.value.is_none())
                .count(),
            3
        );
        assert!(
            fields
                .0
                .iter()
                .all(|field| field.value.is_none() != field.why_missing.is_empty())
        );
    }
}
