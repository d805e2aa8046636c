//! The decoder against the structs that the kernel half writes, and against bytes that nobody wrote.

use std::mem::offset_of;

use capture_common::{
    ids::kind,
    record::{
        Begin, End, Header, NAME_MAX, NAMES, NO_NAME, OBJECT_NAMES, Object, Parameters, Prepared,
        Session, SubBegin, SubEnd, Text, Value,
    },
};
use proptest::prelude::*;

use super::{DecodeError, Record, decode};

/// A field's bytes as they stand in memory.
trait Raw {
    fn raw(&self) -> Vec<u8>;
}

macro_rules! raw {
    ($($number:ty),*) => {
        $(impl Raw for $number {
            fn raw(&self) -> Vec<u8> {
                self.to_ne_bytes().to_vec()
            }
        })*
    };
}
raw!(u8, u16, u32, u64, i32, i64);

impl<T: Raw, const N: usize> Raw for [T; N] {
    fn raw(&self) -> Vec<u8> {
        self.iter().flat_map(Raw::raw).collect()
    }
}

/// The bytes of a `repr(C)` value, each field where the compiler put it. Every byte must be a field's.
macro_rules! image {
    ($value:expr, $kind:ty, $($field:ident),*) => {{
        let mut bytes = vec![None; size_of::<$kind>()];
        $(for (at, byte) in $value.$field.raw().into_iter().enumerate() {
            assert_eq!(bytes[offset_of!($kind, $field) + at].replace(byte), None);
        })*
        bytes.into_iter().map(|byte| byte.expect("no padding")).collect::<Vec<u8>>()
    }};
}

impl Raw for Header {
    fn raw(&self) -> Vec<u8> {
        image!(
            self, Header, kind, flags, target, pid_tgid, session, time_ns, call, generation,
            data_len
        )
    }
}

impl Raw for Session {
    fn raw(&self) -> Vec<u8> {
        image!(self, Session, header, remote, peer_port, lengths)
    }
}

impl Raw for Begin {
    fn raw(&self) -> Vec<u8> {
        image!(
            self,
            Begin,
            header,
            text_len,
            statement_start,
            row_limit,
            portal,
            message_call,
            command,
            location,
            length,
            prepared_id
        )
    }
}

impl Raw for Text {
    fn raw(&self) -> Vec<u8> {
        image!(self, Text, header, offset, text_len)
    }
}

impl Raw for End {
    fn raw(&self) -> Vec<u8> {
        image!(
            self,
            End,
            header,
            outcome,
            code,
            sqlstate,
            rows,
            rows_sent,
            tag,
            source,
            piece_address,
            piece_len,
            message_call,
            statement_start
        )
    }
}

impl Raw for Parameters {
    fn raw(&self) -> Vec<u8> {
        image!(self, Parameters, header, form, count, len)
    }
}

impl Raw for Value {
    fn raw(&self) -> Vec<u8> {
        image!(self, Value, header, index, kind, len)
    }
}

impl Raw for Object {
    fn raw(&self) -> Vec<u8> {
        image!(
            self, Object, header, access, name_at, schema, reserved, inserted, updated, deleted
        )
    }
}

impl Raw for SubBegin {
    fn raw(&self) -> Vec<u8> {
        image!(
            self, SubBegin, header, text_len, depth, location, length, reserved
        )
    }
}

impl Raw for SubEnd {
    fn raw(&self) -> Vec<u8> {
        image!(
            self, SubEnd, header, depth, outcome, code, reserved, sqlstate, rows, rows_sent
        )
    }
}

impl Raw for Prepared {
    fn raw(&self) -> Vec<u8> {
        image!(self, Prepared, header, statement, reserved)
    }
}

fn header(kind: u16, data_len: usize) -> Header {
    Header {
        kind,
        flags: 0x0102,
        target: 0x0304_0506,
        pid_tgid: 0x0708_090a_0b0c_0d0e,
        session: 0x1112_1314_1516_1718,
        time_ns: 0x2122_2324_2526_2728,
        call: 0x3132_3334_3536_3738,
        generation: 0x4142_4344,
        data_len: u32::try_from(data_len).unwrap(),
    }
}

fn begin(data: &[u8]) -> Begin {
    Begin {
        header: header(kind::BEGIN, data.len()),
        text_len: 0x5152_5354_5556_5758,
        statement_start: -0x6162_6364_6566_6768,
        row_limit: 0x7172_7374_7576_7778,
        portal: 0x8182_8384_8586_8788,
        message_call: 0x9192_9394_9596_9798,
        command: 0xa1a2_a3a4,
        location: -0x3132_3334,
        length: 0x4142_4344,
        prepared_id: 0xb1b2_b3b4,
    }
}

fn text(data: &[u8]) -> Text {
    Text {
        header: header(kind::TEXT, data.len()),
        offset: 0x5152_5354_5556_5758,
        text_len: 0x6162_6364_6566_6768,
    }
}

fn end(kind: u16, data: &[u8]) -> End {
    End {
        header: header(kind, data.len()),
        outcome: 0x5152_5354,
        code: 0x6162_6364,
        sqlstate: *b"42S02\0xy",
        rows: 0x7172_7374_7576_7778,
        rows_sent: 0x8182_8384_8586_8788,
        tag: 0x9192_9394,
        source: 0xa1a2_a3a4,
        piece_address: 0xb1b2_b3b4_b5b6_b7b8,
        piece_len: 0xc1c2_c3c4_c5c6_c7c8,
        message_call: 0xd1d2_d3d4_d5d6_d7d8,
        statement_start: -0x2122_2324_2526_2728,
    }
}

fn parameters(data: &[u8]) -> Parameters {
    Parameters {
        header: header(kind::PARAMETERS, data.len()),
        form: 0x5152_5354,
        count: 0x6162_6364,
        len: 0x7172_7374_7576_7778,
    }
}

fn value(data: &[u8]) -> Value {
    Value {
        header: header(kind::VALUE, data.len()),
        index: 0x5152_5354,
        kind: 0x6162_6364,
        len: 0x7172_7374_7576_7778,
    }
}

fn object(name_at: u32) -> Object {
    Object {
        header: header(kind::OBJECT, OBJECT_NAMES),
        access: 0x5152_5354,
        name_at,
        schema: 0x6162_6364,
        reserved: 0x7172_7374,
        inserted: 0x8182_8384_8586_8788,
        updated: 0x9192_9394_9596_9798,
        deleted: 0xa1a2_a3a4_a5a6_a7a8,
    }
}

/// The names of an `OBJECT` record: `public` and, `at` that place, `users`.
fn names(at: usize) -> Vec<u8> {
    let mut names = vec![0; OBJECT_NAMES];
    names[..6].copy_from_slice(b"public");
    names[at..at + 5].copy_from_slice(b"users");
    names
}

fn sub_begin(data: &[u8]) -> SubBegin {
    SubBegin {
        header: header(kind::SUB_BEGIN, data.len()),
        text_len: 0x5152_5354_5556_5758,
        depth: 0x6162_6364,
        location: -0x3132_3334,
        length: 0x4142_4344,
        reserved: 0x7172_7374,
    }
}

fn sub_end(data: &[u8]) -> SubEnd {
    SubEnd {
        header: header(kind::SUB_END, data.len()),
        depth: 0x6162_6364,
        outcome: 0x5152_5354,
        code: 0x8182_8384,
        reserved: 0x7172_7374,
        sqlstate: *b"42S02\0xy",
        rows: 0x9192_9394_9596_9798,
        rows_sent: 0xa1a2_a3a4_a5a6_a7a8,
    }
}

fn prepared() -> Prepared {
    Prepared {
        header: header(kind::PREPARED, 0),
        statement: 0x2122_2324,
        reserved: 0x3132_3334,
    }
}

const FULL_NAME: &[u8] = &[b'n'; NAME_MAX];
const SESSION_NAMES: [Option<&[u8]>; NAMES] = [
    Some(b"alice"),
    None,
    Some(b""),
    Some(FULL_NAME),
    Some(b"::1"),
];

fn session(names: &[Option<&[u8]>; NAMES]) -> Session {
    let mut remote = [0; 32];
    for (byte, value) in remote.iter_mut().zip(1..) {
        *byte = value;
    }
    Session {
        header: header(kind::SESSION, NAMES * NAME_MAX),
        remote,
        peer_port: 0x5152_5354,
        lengths: names.map(|name| name.map_or(NO_NAME, |name| u32::try_from(name.len()).unwrap())),
    }
}

/// A record's bytes as the kernel half writes them, field by field, and what they mean.
fn samples() -> Vec<(Vec<u8>, Record<'static>)> {
    let slots = SESSION_NAMES.map(|name| {
        // What is behind a name in its slot was there before.
        let mut slot = vec![0xee; NAME_MAX];
        slot[..name.unwrap_or_default().len()].copy_from_slice(name.unwrap_or_default());
        slot
    });
    let behind = |fixed: Vec<u8>, data: &[u8]| [&fixed[..], data].concat();
    let (select, message) = (b"select 'caf\xe9\0'", b"no such table");
    let (fixed_session, fixed_begin, fixed_text) =
        (session(&SESSION_NAMES), begin(select), text(b"x"));
    let (fixed_end, fixed_failure) = (end(kind::END, b""), end(kind::FAILURE, message));
    let (gone, over) = (header(kind::SESSION_END, 0), header(kind::COMMAND_END, 0));
    let (came, went) = (header(kind::CONNECT, 0), header(kind::DISCONNECT, 0));
    vec![
        (
            behind(fixed_session.raw(), &slots.concat()),
            Record::Session(fixed_session, SESSION_NAMES),
        ),
        (
            behind(fixed_begin.raw(), select),
            Record::Begin(fixed_begin, select),
        ),
        (
            behind(fixed_text.raw(), b"x"),
            Record::Text(fixed_text, b"x"),
        ),
        (fixed_end.raw(), Record::End(fixed_end, b"")),
        (
            behind(fixed_failure.raw(), message),
            Record::Failure(fixed_failure, message),
        ),
        (gone.raw(), Record::SessionEnd(gone)),
        (over.raw(), Record::CommandEnd(over)),
        (came.raw(), Record::Connect(came)),
        (went.raw(), Record::Disconnect(went)),
        (
            behind(parameters(b"p").raw(), b"p"),
            Record::Parameters(parameters(b"p"), b"p"),
        ),
        (
            behind(value(b"v").raw(), b"v"),
            Record::Value(value(b"v"), b"v"),
        ),
        (
            behind(object(0).raw(), &names(7)),
            Record::Object(object(0), [b"public", b"users"]),
        ),
        (
            behind(object(64).raw(), &names(64)),
            Record::Object(object(64), [b"public", b"users"]),
        ),
        (
            behind(sub_begin(select).raw(), select),
            Record::SubBegin(sub_begin(select), select),
        ),
        (
            behind(sub_end(message).raw(), message),
            Record::SubEnd(sub_end(message), message),
        ),
        (prepared().raw(), Record::Prepared(prepared())),
    ]
}

#[test]
fn fields_are_where_the_kernel_half_puts_them() {
    for (bytes, record) in samples() {
        assert_eq!(decode(&bytes), Ok(record));
    }
}

#[test]
fn encoding_is_the_inverse() {
    for (_, record) in samples() {
        let mut bytes = b"kept".to_vec();
        record.encode(&mut bytes);
        assert_eq!(decode(&bytes[4..]), Ok(record));
    }
}

#[test]
fn what_is_behind_the_data_is_ignored() {
    for (mut bytes, record) in samples() {
        bytes.extend_from_slice(&[0xff; 200]);
        assert_eq!(decode(&bytes), Ok(record));
    }
}

#[test]
fn less_than_the_whole_is_an_error() {
    for (bytes, record) in samples() {
        let fixed = match record {
            Record::Session(..) => size_of::<Session>(),
            Record::Begin(..) => size_of::<Begin>(),
            Record::Text(..) => size_of::<Text>(),
            Record::End(..) | Record::Failure(..) => size_of::<End>(),
            Record::Parameters(..) => size_of::<Parameters>(),
            Record::Value(..) => size_of::<Value>(),
            Record::Object(..) => size_of::<Object>(),
            Record::SubBegin(..) => size_of::<SubBegin>(),
            Record::SubEnd(..) => size_of::<SubEnd>(),
            Record::Prepared(_) => size_of::<Prepared>(),
            Record::SessionEnd(_)
            | Record::CommandEnd(_)
            | Record::Connect(_)
            | Record::Disconnect(_) => size_of::<Header>(),
        };
        for len in 0..bytes.len() {
            match decode(&bytes[..len]) {
                Err(DecodeError::Short { have, at }) => {
                    assert!(
                        len < fixed && have == len && at <= len,
                        "{record:?} of {len}"
                    );
                }
                Err(DecodeError::Length(said)) => {
                    assert!(
                        len >= fixed && said == record.header().data_len,
                        "{record:?} of {len}"
                    );
                }
                other => panic!("{other:?} from {len} bytes of {record:?}"),
            }
        }
    }
}

#[test]
fn unknown_kinds() {
    let known = [
        kind::SESSION,
        kind::BEGIN,
        kind::TEXT,
        kind::END,
        kind::FAILURE,
        kind::SESSION_END,
        kind::COMMAND_END,
        kind::CONNECT,
        kind::DISCONNECT,
        kind::PARAMETERS,
        kind::VALUE,
        kind::OBJECT,
        kind::SUB_BEGIN,
        kind::SUB_END,
        kind::PREPARED,
    ];
    for unknown in (0..=u16::MAX).filter(|number| !known.contains(number)) {
        let mut bytes = header(unknown, 0).raw();
        bytes.resize(2048, 0);
        assert_eq!(decode(&bytes), Err(DecodeError::Kind(unknown)));
    }
}

#[test]
fn lengths_beyond_what_they_count() {
    let carries_data = |bytes: &[u8], record: &Record<'_>| {
        bytes.len() > size_of::<Header>() && !matches!(record, Record::Prepared(_))
    };
    for (mut bytes, _) in samples()
        .into_iter()
        .filter(|(bytes, record)| carries_data(bytes, record))
    {
        let at = offset_of!(Header, data_len);
        bytes[at..at + 4].copy_from_slice(&u32::MAX.to_ne_bytes());
        assert_eq!(decode(&bytes), Err(DecodeError::Length(u32::MAX)));
    }
}

#[test]
fn names_beyond_their_slots() {
    let check = |place: usize, len: u32, data_len: usize, expected: Option<DecodeError>| {
        let mut record = session(&[None; NAMES]);
        record.lengths[place] = len;
        record.header.data_len = u32::try_from(data_len).unwrap();
        let mut bytes = record.raw();
        bytes.resize(bytes.len() + data_len, b'n');
        assert_eq!(
            decode(&bytes).err(),
            expected,
            "{len} at {place} in {data_len} bytes"
        );
    };
    let slots = NAMES * NAME_MAX;
    let name = u32::try_from(NAME_MAX).unwrap();
    for place in 0..NAMES {
        check(place, name, slots, None);
        check(place, name + 1, slots, Some(DecodeError::Length(name + 1)));
        check(
            place,
            NO_NAME - 1,
            slots,
            Some(DecodeError::Length(NO_NAME - 1)),
        );
        check(place, NO_NAME, slots, None);
    }
    for other in [0, NAME_MAX, slots - 1, slots + 1] {
        let said = u32::try_from(other).unwrap();
        check(0, NO_NAME, other, Some(DecodeError::Length(said)));
    }
}

/// Bytes that are often nearly a record.
fn bytes() -> impl Strategy<Value = Vec<u8>> {
    let near = (0..samples().len(), any::<[(u16, u8); 3]>(), 0..2000_usize).prop_map(
        |(place, changes, len)| {
            let mut bytes = samples().swap_remove(place).0;
            for (at, value) in changes {
                let at = usize::from(at) % bytes.len();
                bytes[at] = value;
            }
            bytes.truncate(len);
            bytes
        },
    );
    prop_oneof![prop::collection::vec(any::<u8>(), 0..400), near]
}

proptest! {
    #[test]
    fn any_bytes_are_a_record_or_an_error(bytes in bytes()) {
        if let Ok(record) = decode(&bytes) {
            let mut encoded = Vec::new();
            record.encode(&mut encoded);
            prop_assert_eq!(decode(&encoded), Ok(record.clone()));
            if !matches!(record, Record::Session(..) | Record::Object(..)) {
                prop_assert!(bytes.starts_with(&encoded));
            }
        }
    }
}
