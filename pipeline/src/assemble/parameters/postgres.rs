//! PostgreSQL's bind values.
//!
//! Takes the array of `ParamExternData` and the values that it points to, gives JSON. The forms are
//! those of the server's own memory on x86-64 (little-endian), as its type headers have them.

mod array;

use std::collections::HashMap;

use capture_common::{ids::flag, record::Value as ValueRecord};
use serde_json::Value;

use super::{Bound, float, hexadecimal, lost, text, time};

/// Bytes of a `ParamExternData` (nodes/params.h): value or address, whether it is NULL at 8, the OID
/// of its type at 12.
const ENTRY: usize = 16;

/// What the date types have for infinity and minus infinity (utils/date.h, datatype/timestamp.h).
const DATE_INFINITY: i32 = i32::MAX;
const TIMESTAMP_INFINITY: i64 = i64::MAX;

/// The values, `max` bytes of each at most.
pub(super) fn list(bound: &Bound, max: usize) -> Vec<Value> {
    let values: HashMap<usize, &(ValueRecord, Vec<u8>)> = bound
        .values
        .iter()
        .filter_map(|value| Some((usize::try_from(value.0.index).ok()?, value)))
        .collect();
    bound
        .data
        .chunks_exact(ENTRY)
        .enumerate()
        .map(|(place, entry)| one(entry, values.get(&place).copied(), max))
        .collect()
}

fn one(entry: &[u8], apart: Option<&(ValueRecord, Vec<u8>)>, max: usize) -> Value {
    let word = |at: usize| -> [u8; 4] {
        let bytes = entry.get(at..at + 4).and_then(<[u8]>::first_chunk);
        bytes.copied().unwrap_or_default()
    };
    let oid = u32::from_le_bytes(word(12));
    if entry.get(8).is_some_and(|is_null| *is_null != 0) {
        return Value::Null;
    }
    let [low, high] = [word(0), word(4)].map(u32::from_le_bytes);
    let datum = u64::from(high) << 32 | u64::from(low);
    match apart {
        Some((record, _)) if record.header.flags & flag::UNREADABLE != 0 => lost(&name(oid)),
        Some((record, bytes)) => by_reference(oid, bytes, record.len, max),
        None => by_value(oid, datum),
    }
}

/// A value that stands in the list itself.
fn by_value(oid: u32, datum: u64) -> Value {
    let bytes = datum.to_le_bytes();
    let [a, b, c, d, ..] = bytes;
    let int4 = i32::from_le_bytes([a, b, c, d]);
    let int8 = i64::from_le_bytes(bytes);
    let shown = match oid {
        16 => Some(Value::from(a != 0)),
        18 => std::str::from_utf8(&[a]).ok().map(Value::from),
        20 => Some(int8.into()),
        21 => Some(i16::from_le_bytes([a, b]).into()),
        23 => Some(int4.into()),
        26 => Some(int4.cast_unsigned().into()),
        700 => Some(float4(f32::from_bits(int4.cast_unsigned()))),
        701 => Some(float(f64::from_bits(datum))),
        1082 => infinity(int4 == DATE_INFINITY, int4 == i32::MIN)
            .or_else(|| time::date(int4.into()).map(Value::from)),
        1083 => time::time(int8).map(Value::from),
        1114 | 1184 => infinity(int8 == TIMESTAMP_INFINITY, int8 == i64::MIN).or_else(|| {
            let zone = if oid == 1184 { "+00" } else { "" };
            Some((time::timestamp(int8)? + zone).into())
        }),
        _ => None,
    };
    // A value that the kernel should have sent apart is not one of these; its address says nothing.
    let is_address = datum > u64::from(u32::MAX) && !is_wide(oid);
    shown.unwrap_or_else(|| {
        if is_address {
            lost(&name(oid))
        } else {
            hexadecimal(&name(oid), &bytes, bytes.len() as u64, bytes.len())
        }
    })
}

/// The shortest decimal that reads back as the same `float4`.
fn float4(number: f32) -> Value {
    number
        .to_string()
        .parse()
        .map_or_else(|_| number.to_string().into(), float)
}

/// Whether the type's values fill eight bytes of the list.
fn is_wide(oid: u32) -> bool {
    matches!(oid, 20 | 701 | 790 | 1083 | 1114 | 1184 | 3220 | 5069)
}

fn infinity(above: bool, below: bool) -> Option<Value> {
    match (above, below) {
        (true, _) => Some("infinity".into()),
        (_, true) => Some("-infinity".into()),
        _ => None,
    }
}

/// A value that stood elsewhere.
fn by_reference(oid: u32, bytes: &[u8], len: u64, max: usize) -> Value {
    if bytes.is_empty() && len > 0 {
        // Compressed, out of line, or not to be read.
        return lost(&name(oid));
    }
    let whole = bytes.len() as u64 == len;
    let shown = match oid {
        // json, xml, unknown, bpchar, varchar, text, cstring and citext-like types of users are not
        // among them: how a type of theirs is read is not known.
        25 | 114 | 142 | 705 | 1042 | 1043 | 2275 => text(bytes, len, max),
        19 => text(terminated(bytes), terminated(bytes).len() as u64, max),
        1700 if whole => numeric(bytes).map(Value::from),
        2950 if whole => uuid(bytes).map(Value::from),
        1186 if whole => interval(bytes).map(Value::from),
        1266 if whole => time_with_zone(bytes).map(Value::from),
        _ if whole && array::name(oid).is_some() => array::elements(bytes, max),
        _ => None,
    };
    shown.unwrap_or_else(|| hexadecimal(&name(oid), bytes, len, max))
}

/// The type's name where it is one of PostgreSQL's common ones, else its OID (pg_type.dat).
fn name(oid: u32) -> String {
    let name = match oid {
        16 => "bool",
        17 => "bytea",
        18 => "char",
        19 => "name",
        20 => "int8",
        21 => "int2",
        23 => "int4",
        25 => "text",
        26 => "oid",
        114 => "json",
        142 => "xml",
        600 => "point",
        650 => "cidr",
        700 => "float4",
        701 => "float8",
        705 => "unknown",
        790 => "money",
        869 => "inet",
        1042 => "bpchar",
        1043 => "varchar",
        1082 => "date",
        1083 => "time",
        1114 => "timestamp",
        1184 => "timestamptz",
        1186 => "interval",
        1266 => "timetz",
        1560 => "bit",
        1562 => "varbit",
        1700 => "numeric",
        2950 => "uuid",
        3802 => "jsonb",
        _ => match array::name(oid) {
            Some(name) => name,
            None => return format!("oid {oid}"),
        },
    };
    name.to_owned()
}

fn terminated(bytes: &[u8]) -> &[u8] {
    let end = bytes.iter().position(|byte| *byte == 0);
    &bytes[..end.unwrap_or(bytes.len())]
}

fn words<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..)?.first_chunk().copied()
}

/// `NumericData` (utils/adt/numeric.c): a header of two or four bytes, then digits of base 10,000.
fn numeric(bytes: &[u8]) -> Option<String> {
    let header = u16::from_le_bytes(words(bytes, 0)?);
    let (negative, scale, weight, digits_at) = match header & 0xc000 {
        0xc000 => {
            return match header & 0xf000 {
                0xc000 => Some("NaN".to_owned()),
                0xd000 => Some("Infinity".to_owned()),
                0xf000 => Some("-Infinity".to_owned()),
                _ => None,
            };
        }
        0x8000 => {
            let weight = i32::from(header & 0x3f) - if header & 0x40 == 0 { 0 } else { 0x40 };
            let scale = usize::from((header & 0x1f80) >> 7);
            (header & 0x2000 != 0, scale, weight, 2)
        }
        sign => {
            let weight = i16::from_le_bytes(words(bytes, 2)?);
            let scale = usize::from(header & 0x3fff);
            (sign == 0x4000, scale, i32::from(weight), 4)
        }
    };
    let digits: Vec<u16> = bytes
        .get(digits_at..)?
        .chunks_exact(2)
        .map(|digit| u16::from_le_bytes([digit[0], digit[1]]))
        .collect();
    let digit = |place: i32| {
        let place = usize::try_from(place).ok();
        place
            .and_then(|place| digits.get(place))
            .copied()
            .unwrap_or(0)
    };
    if digits.iter().any(|digit| *digit > 9999) {
        return None;
    }
    let mut text = if negative {
        "-".to_owned()
    } else {
        String::new()
    };
    if weight < 0 {
        text.push('0');
    } else {
        text.push_str(&digit(0).to_string());
        for place in 1..=weight {
            text.push_str(&format!("{:04}", digit(place)));
        }
    }
    if scale > 0 {
        let groups = i32::try_from(scale.div_ceil(4)).ok()?;
        let fraction: String = (weight + 1..=weight + groups)
            .map(|place| format!("{:04}", digit(place)))
            .collect();
        text.push('.');
        text.push_str(fraction.get(..scale)?);
    }
    Some(text)
}

fn uuid(bytes: &[u8]) -> Option<String> {
    let number = u128::from_be_bytes(*bytes.first_chunk()?);
    let digits = format!("{number:032x}");
    let part = |from: usize, to: usize| digits.get(from..to);
    Some(format!(
        "{}-{}-{}-{}-{}",
        part(0, 8)?,
        part(8, 12)?,
        part(12, 16)?,
        part(16, 20)?,
        part(20, 32)?
    ))
}

/// `Interval`: microseconds, days, months.
fn interval(bytes: &[u8]) -> Option<String> {
    let us = i64::from_le_bytes(words(bytes, 0)?);
    let days = i32::from_le_bytes(words(bytes, 8)?);
    let months = i32::from_le_bytes(words(bytes, 12)?);
    let sign = if us < 0 { "-" } else { "" };
    let (seconds, fraction) = (us.unsigned_abs() / 1_000_000, us.unsigned_abs() % 1_000_000);
    Some(format!("P{months}M{days}DT{sign}{seconds}.{fraction:06}S"))
}

/// `TimeTzADT`: microseconds of the day and the zone in seconds to the west.
fn time_with_zone(bytes: &[u8]) -> Option<String> {
    let us = i64::from_le_bytes(words(bytes, 0)?);
    let zone = i32::from_le_bytes(words(bytes, 8)?);
    Some(time::time(us)? + &time::zone(zone))
}

#[cfg(test)]
mod tests {
    use capture_common::{
        ids::parameter_form,
        record::{Header, NO_COUNT, Parameters},
    };
    use proptest::prelude::*;

    use super::*;

    fn value(oid: u32, datum: u64) -> String {
        by_value(oid, datum).to_string()
    }

    fn apart(oid: u32, bytes: &[u8]) -> String {
        by_reference(oid, bytes, bytes.len() as u64, 100).to_string()
    }

    #[test]
    fn values_in_the_list() {
        assert_eq!(value(16, 1), "true");
        assert_eq!(value(18, 0x41), r#""A""#);
        assert_eq!(value(20, u64::MAX), "-1");
        assert_eq!(value(21, 0xffff), "-1");
        assert_eq!(value(23, 7), "7");
        assert_eq!(value(26, 0xffff_ffff), "4294967295");
        assert_eq!(value(700, u64::from(0.1_f32.to_bits())), "0.1");
        assert_eq!(value(701, 2.5_f64.to_bits()), "2.5");
        assert_eq!(value(701, f64::INFINITY.to_bits()), r#""Infinity""#);
        assert_eq!(value(1082, 1), r#""2000-01-02""#);
        assert_eq!(
            value(1082, u64::from(i32::MAX.unsigned_abs())),
            r#""infinity""#
        );
        assert_eq!(value(1184, 0), r#""2000-01-01 00:00:00+00""#);
        assert_eq!(
            value(1114, u64::from_le_bytes(i64::MIN.to_le_bytes())),
            r#""-infinity""#
        );
        // The label of an enum is its OID; an address of something lost is not shown.
        assert_eq!(
            value(16_400, 16_402),
            r#"{"type":"oid 16400","hex":"1240000000000000"}"#
        );
        assert_eq!(
            value(25, 0x7f00_0000_1000),
            r#"{"type":"text","lost":true}"#
        );
    }

    #[test]
    fn values_elsewhere() {
        assert_eq!(apart(25, "é".as_bytes()), r#""é""#);
        assert_eq!(apart(25, b""), r#""""#);
        assert_eq!(apart(25, b"caf\xe9"), r#"{"type":"text","hex":"636166e9"}"#);
        assert_eq!(apart(17, b"\x01\x02"), r#"{"type":"bytea","hex":"0102"}"#);
        assert_eq!(apart(19, b"name\0\0\0\0"), r#""name""#);
        assert_eq!(
            apart(
                2950,
                &[
                    0x12, 0x34, 0x56, 0x78, 0x9a, 0xbc, 0xde, 0xf0, 1, 2, 3, 4, 5, 6, 7, 8
                ]
            ),
            r#""12345678-9abc-def0-0102-030405060708""#
        );
        assert_eq!(apart(3802, b"\x01"), r#"{"type":"jsonb","hex":"01"}"#);
        assert_eq!(
            by_reference(25, b"abc", 5000, 100).to_string(),
            r#"{"text":"abc","bytes":5000}"#
        );
        assert_eq!(
            by_reference(25, b"", NO_COUNT, 100).to_string(),
            r#"{"type":"text","lost":true}"#
        );
    }

    #[test]
    fn numerics() {
        let check = |bytes: &[u8], expected: &str| {
            assert_eq!(numeric(bytes).as_deref(), Some(expected), "{bytes:?}");
        };
        check(&[0x00, 0x80], "0");
        check(&[0x00, 0x80, 0x07, 0x00], "7");
        // 1.5: scale 1 in bits 7 to 12.
        check(&[0x80, 0x80, 0x01, 0x00, 0x88, 0x13], "1.5");
        // -12345.67
        check(
            &[0x01, 0xa1, 0x01, 0x00, 0x29, 0x09, 0x2c, 0x1a],
            "-12345.67",
        );
        // 0.0001: weight -1.
        check(&[0x7f, 0x82, 0x01, 0x00], "0.0001");
        check(&[0x00, 0xc0], "NaN");
        assert_eq!(numeric(&[0x00, 0x80, 0xff, 0xff]), None);
        assert_eq!(numeric(&[]), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_some_value(
            data in prop::collection::vec(any::<u8>(), 0..64),
            bytes in prop::collection::vec(any::<u8>(), 0..64),
            oid in prop::sample::select(vec![16, 19, 20, 25, 1007, 1009, 1114, 1186, 1231, 1266, 1700, 2950, 20_000]),
            index in 0..4_u32, len in any::<u64>()
        ) {
            let mut data = data;
            for entry in data.chunks_exact_mut(ENTRY) {
                entry[8] = 0;
                entry[12..].copy_from_slice(&u32::to_le_bytes(oid));
            }
            let fixed = Parameters { header: Header::ZERO, form: parameter_form::POSTGRES, count: 4, len: 64 };
            let mut bound = Bound::new(&fixed, &data);
            bound.add(&ValueRecord { header: Header::ZERO, index, kind: oid, len }, &bytes);
            prop_assert_eq!(list(&bound, 8).len(), data.len() / ENTRY);
            for len in [len, bytes.len() as u64] {
                by_reference(oid, &bytes, len, 8);
            }
        }
    }
}
