//! PostgreSQL's arrays of one dimension.
//!
//! Takes an `ArrayType` behind its length (utils/array.h): dimensions, offset of the data where some
//! elements are NULL, type; size and lower bound of each dimension; a bit for each element that is not
//! NULL; the elements. What is no plain array gives nothing.

use serde_json::Value;

use super::{by_reference, by_value, words};

/// The length, which alignment counts and what is taken here has not.
const LENGTH: usize = 4;

/// Where the bits, or else the elements, of an array of one dimension start.
const HEAD: usize = 20;

/// Name of an array type whose elements can be read.
pub(super) fn name(oid: u32) -> Option<&'static str> {
    Some(match oid {
        199 => "json[]",
        1000 => "bool[]",
        1001 => "bytea[]",
        1005 => "int2[]",
        1007 => "int4[]",
        1009 => "text[]",
        1014 => "bpchar[]",
        1015 => "varchar[]",
        1016 => "int8[]",
        1021 => "float4[]",
        1022 => "float8[]",
        1028 => "oid[]",
        1115 => "timestamp[]",
        1182 => "date[]",
        1183 => "time[]",
        1185 => "timestamptz[]",
        1187 => "interval[]",
        1231 => "numeric[]",
        2951 => "uuid[]",
        3807 => "jsonb[]",
        _ => return None,
    })
}

/// Size and alignment of the values of a type; none where they have a length each (pg_type.dat).
fn fixed(element: u32) -> Option<(usize, usize)> {
    Some(match element {
        16 => (1, 1),
        21 => (2, 2),
        23 | 26 | 700 | 1082 => (4, 4),
        20 | 701 | 1083 | 1114 | 1184 => (8, 8),
        1186 => (16, 8),
        2950 => (16, 1),
        _ => return None,
    })
}

/// The elements, `max` bytes of each at most.
pub(super) fn elements(bytes: &[u8], max: usize) -> Option<Value> {
    let int = |at| words(bytes, at).map(i32::from_le_bytes);
    let (dimensions, offset) = (int(0)?, usize::try_from(int(4)?).ok()?);
    let element = int(8)?.cast_unsigned();
    if dimensions == 0 {
        return Some(Value::Array(Vec::new()));
    }
    if dimensions != 1 {
        return None;
    }
    let has_nulls = offset != 0;
    let mut at = if has_nulls {
        offset.checked_sub(LENGTH)?
    } else {
        HEAD
    };
    let mut list = Vec::new();
    for place in 0..usize::try_from(int(12)?).ok()? {
        if has_nulls && bytes.get(HEAD + place / 8)? >> (place % 8) & 1 == 0 {
            list.push(Value::Null);
            continue;
        }
        let (value, behind) = one(bytes, at, element, max)?;
        list.push(value);
        at = behind;
    }
    Some(list.into())
}

/// The element that starts at `at` or, for alignment, behind it; and where the next one may start.
fn one(bytes: &[u8], at: usize, element: u32, max: usize) -> Option<(Value, usize)> {
    let Some((size, alignment)) = fixed(element) else {
        let (body, behind) = with_length(bytes, at)?;
        let value = by_reference(element, body, body.len() as u64, max);
        return Some((value, behind));
    };
    let start = (at + LENGTH).next_multiple_of(alignment) - LENGTH;
    let behind = start.checked_add(size)?;
    let body = bytes.get(start..behind)?;
    let value = if size > 8 {
        by_reference(element, body, body.len() as u64, max)
    } else {
        let mut datum = [0; 8];
        datum.get_mut(..size)?.copy_from_slice(body);
        by_value(element, u64::from_le_bytes(datum))
    };
    Some((value, behind))
}

/// One element with a length before it: its bytes, and where the next one may start.
fn with_length(bytes: &[u8], at: usize) -> Option<(&[u8], usize)> {
    // Elements with a header of four bytes stand at multiples of four; the padding before them is 0.
    let mut at = at;
    if *bytes.get(at)? == 0 {
        at = at.next_multiple_of(4);
    }
    let first = *bytes.get(at)?;
    let (start, len) = if first & 1 == 1 {
        (at + 1, usize::from(first >> 1).checked_sub(1)?)
    } else if first & 3 == 0 {
        let header = u32::from_le_bytes(words(bytes, at)?);
        (at + 4, usize::try_from(header >> 2).ok()?.checked_sub(4)?)
    } else {
        return None;
    };
    let end = start.checked_add(len)?;
    Some((bytes.get(start..end)?, end))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn array(offset: u32, element: u32, count: u32, rest: &[u8]) -> Option<String> {
        let mut bytes = Vec::new();
        for word in [1, offset, element, count, 1] {
            bytes.extend(u32::to_le_bytes(word));
        }
        bytes.extend(rest);
        elements(&bytes, 100).map(|list| list.to_string())
    }

    #[test]
    fn elements_of_each_size() {
        let check = |element, count, rest: &[u8], expected: &str| {
            assert_eq!(array(0, element, count, rest).as_deref(), Some(expected));
        };
        check(16, 2, &[1, 0], "[true,false]");
        check(21, 2, &[1, 0, 0xff, 0xff], "[1,-1]");
        check(701, 1, &0.5_f64.to_le_bytes(), "[0.5]");
        check(1082, 1, &[1, 0, 0, 0], r#"["2000-01-02"]"#);
        check(
            2950,
            1,
            &[0; 16],
            r#"["00000000-0000-0000-0000-000000000000"]"#,
        );
        // A short header is the length and itself, twice, and one.
        check(25, 2, b"\x05a\x07bc", r#"["a","bc"]"#);
        check(17, 1, b"\x05\xff", r#"[{"type":"bytea","hex":"ff"}]"#);
    }

    #[test]
    fn nulls_have_no_bytes() {
        let bits = |bits: u8, rest: &[u8]| [&[bits, 0, 0, 0, 0, 0, 0, 0], rest].concat();
        assert_eq!(
            array(32, 23, 3, &bits(0b101, &[7, 0, 0, 0, 8, 0, 0, 0])).as_deref(),
            Some("[7,null,8]")
        );
        assert_eq!(array(32, 25, 1, &bits(0, b"")).as_deref(), Some("[null]"));
    }

    #[test]
    fn what_is_no_plain_array() {
        assert_eq!(elements(&[0; 12], 100), Some(Value::Array(Vec::new())));
        assert_eq!(array(0, 23, 2, &[1, 0, 0, 0]), None);
        assert_eq!(array(2, 23, 1, &[1, 0, 0, 0]), None);
        assert_eq!(array(32, 23, u32::MAX >> 1, &[0; 8]), None);
        let mut two = vec![2, 0, 0, 0];
        two.extend([0; 40]);
        assert_eq!(elements(&two, 100), None);
    }
}
