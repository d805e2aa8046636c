//! Types of the protocol (`enum enum_field_types`, the same in MariaDB and MySQL) and their values.

use serde_json::Value;

/// Flag beside the type: the number has no sign.
pub(super) const UNSIGNED: u8 = 0x80;

/// `MYSQL_TYPE_STRING`.
pub(super) const STRING: u8 = 254;

const TINY: u8 = 1;
const FLOAT: u8 = 4;
const DOUBLE: u8 = 5;
const DATE: u8 = 10;
const NEW_DATE: u8 = 14;

/// How a value of a type stands in a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// Not at all.
    Null,
    /// So many bytes.
    Fixed(usize),
    /// Date, or date and time.
    Date,
    /// A span of time.
    Time,
    /// Characters.
    Text,
    /// Bytes.
    Bytes,
}

/// `None` for a type that is not known.
pub(super) fn shape(kind: u8) -> Option<Shape> {
    Some(match kind {
        6 => Shape::Null,
        TINY => Shape::Fixed(1),
        2 | 13 => Shape::Fixed(2),
        3 | 9 | FLOAT => Shape::Fixed(4),
        8 | DOUBLE => Shape::Fixed(8),
        7 | DATE | 12 | NEW_DATE | 17 | 18 => Shape::Date,
        11 | 19 => Shape::Time,
        // DECIMAL, VARCHAR, JSON, NEWDECIMAL, ENUM, SET, VAR_STRING
        0 | 15 | 245..=248 | 253 | STRING => Shape::Text,
        // BIT, TINY_BLOB to BLOB, GEOMETRY
        16 | 249..=252 | 255 => Shape::Bytes,
        _ => return None,
    })
}

/// What a type is called where its value is not.
pub(super) fn named(kind: u8) -> &'static str {
    match kind {
        0 | 246 => "decimal",
        TINY..=3 | 8 | 9 => "int",
        13 => "year",
        FLOAT => "float",
        DOUBLE => "double",
        6 => "null",
        DATE | NEW_DATE => "date",
        7 | 12 | 17 | 18 => "datetime",
        11 | 19 => "time",
        16 => "bit",
        249..=252 => "blob",
        255 => "geometry",
        _ => "string",
    }
}

/// A number as it stands in memory.
pub(super) fn number([kind, flags]: [u8; 2], bytes: &[u8]) -> Option<Value> {
    match kind {
        FLOAT => return Some(real(f32::from_le_bytes(*bytes.first_chunk()?).to_string())),
        DOUBLE => return Some(real(f64::from_le_bytes(*bytes.first_chunk()?).to_string())),
        _ => {}
    }
    let negative = flags & UNSIGNED == 0 && bytes.last()? & 0x80 != 0;
    let mut wide = [if negative { 0xff } else { 0 }; 8];
    wide.get_mut(..bytes.len())?.copy_from_slice(bytes);
    Some(if flags & UNSIGNED != 0 {
        u64::from_le_bytes(wide).into()
    } else {
        i64::from_le_bytes(wide).into()
    })
}

/// The shortest number that reads back as the same; what JSON has no number for is a string.
fn real(shown: String) -> Value {
    let number: Option<f64> = shown.parse().ok().filter(|number: &f64| number.is_finite());
    number.map_or(Value::String(shown), Value::from)
}

/// `2026-11-26`, or with a time behind it `2026-11-26 10:11:12.000013`.
pub(super) fn date(kind: u8, bytes: &[u8]) -> Option<Value> {
    let (date, time) = match bytes {
        [] => ((0, 0, 0), None),
        [y0, y1, month, day, rest @ ..] => (
            (u16::from_le_bytes([*y0, *y1]), *month, *day),
            if rest.is_empty() {
                None
            } else {
                Some(clock(rest)?)
            },
        ),
        _ => return None,
    };
    let (year, month, day) = date;
    let date = format!("{year:04}-{month:02}-{day:02}");
    let only = matches!(kind, DATE | NEW_DATE);
    Some(match time {
        None if only => date.into(),
        None => format!("{date} 00:00:00").into(),
        Some((hour, rest)) => format!("{date} {hour:02}{rest}").into(),
    })
}

/// `-49:11:12.000013`: days are in the hours.
pub(super) fn time(bytes: &[u8]) -> Option<Value> {
    let (sign, days, rest) = match bytes {
        [] => return Some("00:00:00".into()),
        [sign, d0, d1, d2, d3, rest @ ..] => {
            (*sign, u32::from_le_bytes([*d0, *d1, *d2, *d3]), rest)
        }
        _ => return None,
    };
    let (hour, rest) = clock(rest)?;
    let hours = u64::from(days) * 24 + u64::from(hour);
    let sign = if sign == 0 { "" } else { "-" };
    Some(format!("{sign}{hours:02}{rest}").into())
}

/// The hour, and `:MM:SS` with the parts of a second.
fn clock(bytes: &[u8]) -> Option<(u8, String)> {
    match bytes {
        [hour, minute, second] => Some((*hour, format!(":{minute:02}:{second:02}"))),
        [hour, minute, second, parts @ ..] => {
            let micros = u32::from_le_bytes(parts.try_into().ok()?);
            Some((*hour, format!(":{minute:02}:{second:02}.{micros:06}")))
        }
        _ => None,
    }
}
