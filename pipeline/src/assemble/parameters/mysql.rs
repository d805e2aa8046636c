//! Bind values of MariaDB and MySQL.
//!
//! Takes the client's packet (MariaDB) or the array that the server made of it (MySQL), gives the list.
//! A packet says nothing of how many values it has: that comes from the statement's text. One that does
//! not end where its values do is not understood, and gives none.

use capture_common::record::NO_COUNT;
use serde_json::{Value, json};

use super::{Bound, hexadecimal, lost};
use crate::{
    assemble::prepared::{Execution, Long, Types},
    dedup::lex::{Kind, Lexer},
    flow::{Dialect, Text},
};

mod types;

use types::{Shape, named, shape};

/// `COM_STMT_EXECUTE`: statement, flags, iterations.
const EXECUTE_HEAD: usize = 9;
/// `COM_STMT_BULK_EXECUTE`: statement, flags.
const BULK_HEAD: usize = 6;
/// `COM_STMT_BULK_EXECUTE`: types come with the packet.
const BULK_TYPES: u16 = 128;
/// Bytes of a `PS_PARAM` (include/mysql/com_data.h).
const PARAM_BYTES: usize = 0x30;

/// The list of a MariaDB packet.
pub(super) fn packet(
    bound: &Bound,
    max: usize,
    text: Option<&Text>,
    execution: &mut Execution,
) -> Option<Vec<Value>> {
    let before = execution.types.take();
    let count = placeholders(text?)?;
    let mut packet = Packet {
        bytes: &bound.data,
        at: 0,
        len: usize::try_from(bound.fixed.len).ok()?,
        lost: false,
    };
    let mut types = before;
    let list = if bound.bulk {
        bulk(&mut packet, count, &mut types, max)
    } else {
        execute(&mut packet, count, &mut types, &execution.long, max)
    }?;
    execution.types = types;
    Some(list)
}

/// How many values a statement takes; none when its text is not whole.
fn placeholders(text: &Text) -> Option<usize> {
    let is_one = |token: &crate::dedup::lex::Token| token.kind == Kind::Parameter;
    (!text.truncated).then(|| {
        Lexer::new(&text.bytes, Dialect::Mysql)
            .filter(is_one)
            .count()
    })
}

fn execute(
    packet: &mut Packet<'_>,
    count: usize,
    types: &mut Option<Types>,
    long: &std::collections::BTreeMap<u32, Long>,
    max: usize,
) -> Option<Vec<Value>> {
    packet.take(EXECUTE_HEAD)?;
    if count == 0 {
        return packet.is_at_end().then(Vec::new);
    }
    let nulls = packet.take(count.div_ceil(8))?;
    match packet.take(1)? {
        [0] => {}
        [1] => *types = Some(packet.types(count)?),
        _ => return None,
    }
    let types = types.as_ref().filter(|types| types.len() == count)?;
    let mut list = Vec::with_capacity(count);
    for (place, kind) in types.iter().enumerate() {
        let is_null = nulls[place / 8] >> (place % 8) & 1 == 1;
        let known = u32::try_from(place).ok().and_then(|place| long.get(&place));
        list.push(match known {
            Some(long) => from_long(*kind, long, max)?,
            None if is_null => Value::Null,
            None => packet.value(*kind, max)?,
        });
    }
    packet.is_at_end().then_some(list)
}

/// Rows of values, each with a byte before it that says whether it is there.
fn bulk(
    packet: &mut Packet<'_>,
    count: usize,
    types: &mut Option<Types>,
    max: usize,
) -> Option<Vec<Value>> {
    let head = packet.take(BULK_HEAD)?;
    if u16::from_le_bytes([head[4], head[5]]) & BULK_TYPES != 0 {
        *types = Some(packet.types(count)?);
    }
    let types = types.as_ref().filter(|types| types.len() == count)?;
    let mut rows = Vec::new();
    while packet.at != packet.len {
        if packet.is_lost() || rows.len() * count.max(1) > super::VALUES_MAX {
            rows.push(lost("row"));
            return Some(rows);
        }
        let mut row = Vec::with_capacity(count);
        for kind in types {
            if packet.is_lost() {
                row.push(lost(named(kind[0])));
                continue;
            }
            row.push(match packet.take(1)? {
                [0] => packet.value(*kind, max)?,
                [1] => Value::Null,
                [2] => json!({ "type": "default" }),
                [3] => json!({ "type": "ignore" }),
                _ => return None,
            });
        }
        rows.push(Value::from(row));
        if count == 0 {
            return None;
        }
    }
    Some(rows)
}

/// The list of a MySQL array.
pub(super) fn array(
    bound: &Bound,
    max: usize,
    execution: Option<&mut Execution>,
) -> Option<Vec<Value>> {
    let count = usize::try_from(bound.fixed.count).ok()?;
    let mut none = Execution::default();
    let execution = execution.unwrap_or(&mut none);
    let types = array_types(&bound.data, count, execution.types.take())?;
    let long = std::mem::take(&mut execution.long);
    let mut list = Vec::with_capacity(count.min(super::VALUES_MAX));
    for place in 0..count {
        let at = place.checked_mul(PARAM_BYTES)?;
        let Some(param) = bound.data.get(at..at + PARAM_BYTES) else {
            list.push(lost("value"));
            continue;
        };
        let kind = *types.get(place)?;
        let len = u64::from_le_bytes(*param.get(0x18..)?.first_chunk()?);
        let address = u64::from_le_bytes(*param.get(0x10..)?.first_chunk()?);
        let number = u32::try_from(place).ok()?;
        let known = long.get(&number);
        let found = bound.values.iter().find(|(value, _)| value.index == number);
        list.push(match (known, found) {
            (Some(long), _) => from_long(kind, long, max)?,
            _ if param[0] != 0 => Value::Null,
            (None, Some((_, data))) => from_bytes(kind, data, Some(len), max)?,
            (None, None) if len == 0 && address != 0 => from_bytes(kind, b"", Some(0), max)?,
            (None, None) => lost(named(kind[0])),
        });
    }
    execution.types = Some(types).filter(|types| types.len() == count);
    Some(list)
}

/// The types of a MySQL array. Where the client left them out, having told them before, the server has
/// zeros here, and goes by what it knows of the statement.
fn array_types(data: &[u8], count: usize, before: Option<Types>) -> Option<Types> {
    let params = data.chunks_exact(PARAM_BYTES).take(count);
    let types: Types = params
        .map(|param| [param[4], if param[8] == 0 { 0 } else { types::UNSIGNED }])
        .collect();
    if types.is_empty() || types.iter().any(|kind| kind[0] != 0) {
        return Some(types);
    }
    before.filter(|before| before.len() >= types.len())
}

fn from_long(kind: [u8; 2], long: &Long, max: usize) -> Option<Value> {
    match shape(kind[0])? {
        Shape::Text | Shape::Bytes => Some(sized(kind, &long.bytes, long.len, max)),
        // The server takes the bytes for a string, whatever the type says.
        _ => Some(sized([types::STRING, 0], &long.bytes, long.len, max)),
    }
}

/// A value whose bytes stand alone: without the length that they have in a packet.
fn from_bytes(kind: [u8; 2], data: &[u8], len: Option<u64>, max: usize) -> Option<Value> {
    match shape(kind[0])? {
        Shape::Null => Some(Value::Null),
        Shape::Text | Shape::Bytes => Some(sized(kind, data, len, max)),
        Shape::Fixed(size) => types::number(kind, data.get(..size)?),
        Shape::Date => types::date(kind[0], data),
        Shape::Time => types::time(data),
    }
}

/// A value of any length: `len` is its own, of which `data` are on record.
fn sized(kind: [u8; 2], data: &[u8], len: Option<u64>, max: usize) -> Value {
    let len = len.unwrap_or(NO_COUNT);
    Some(kind[0])
        .filter(|kind| shape(*kind) == Some(Shape::Text))
        .and_then(|_| super::text(data, len, max))
        .unwrap_or_else(|| hexadecimal(named(kind[0]), data, len, max))
}

/// A packet, of which `bytes` are on record.
struct Packet<'a> {
    bytes: &'a [u8],
    at: usize,
    /// Its whole length.
    len: usize,
    /// Whether something was asked for that is in the packet, but not on record.
    lost: bool,
}

impl<'a> Packet<'a> {
    fn is_at_end(&self) -> bool {
        self.at == self.len || self.is_lost()
    }

    /// Whether what comes next is in the packet, but not on record.
    fn is_lost(&self) -> bool {
        self.lost || (self.at >= self.bytes.len() && self.at < self.len)
    }

    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let end = self.at.checked_add(count)?;
        let taken = self.bytes.get(self.at..end);
        self.lost |= taken.is_none() && end <= self.len;
        self.at = end;
        taken
    }

    fn types(&mut self, count: usize) -> Option<Types> {
        let bytes = self.take(count.checked_mul(2)?)?;
        Some(bytes.as_chunks().0.to_vec())
    }

    /// The length before a string: one byte, or a mark and two, three or eight.
    fn length(&mut self) -> Option<u64> {
        let wide = match self.take(1)? {
            [0xfc] => 2,
            [0xfd] => 3,
            [0xfe] => 8,
            [0xfb | 0xff] => return None,
            [short] => return Some(u64::from(*short)),
            _ => return None,
        };
        let mut bytes = [0; 8];
        bytes[..wide].copy_from_slice(self.take(wide)?);
        Some(u64::from_le_bytes(bytes))
    }

    /// The next value; one that is cut off is as much of it as there is, and what is behind it is said
    /// not to be on record.
    fn value(&mut self, kind: [u8; 2], max: usize) -> Option<Value> {
        let shape = shape(kind[0])?;
        if shape == Shape::Null {
            return Some(Value::Null);
        }
        if self.is_lost() {
            return Some(lost(named(kind[0])));
        }
        let taken = match shape {
            Shape::Fixed(size) => self.take(size).and_then(|bytes| types::number(kind, bytes)),
            Shape::Date | Shape::Time => {
                let len = self.take(1).and_then(|len| self.take(usize::from(len[0])));
                len.and_then(|data| from_bytes(kind, data, None, max))
            }
            Shape::Text | Shape::Bytes => self.string(kind, max),
            Shape::Null => None,
        };
        if taken.is_none() && self.lost {
            return Some(lost(named(kind[0])));
        }
        taken
    }

    fn string(&mut self, kind: [u8; 2], max: usize) -> Option<Value> {
        let len = self.length()?;
        let end = self.at.checked_add(usize::try_from(len).ok()?)?;
        if end > self.len {
            return None;
        }
        let recorded = end.min(self.bytes.len());
        let value = sized(kind, self.bytes.get(self.at..recorded)?, Some(len), max);
        self.at = end;
        Some(value)
    }
}

#[cfg(test)]
mod tests;
