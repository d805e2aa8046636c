//! Packets and arrays as clients send them, whole, cut and wrong.

use capture_common::{
    ids::parameter_form,
    record::{Header, Parameters, Value as ValueRecord},
};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::{
    assemble::{
        parameters::Bound,
        prepared::{Execution, Long},
    },
    flow::Text,
};

const MAX: usize = 16;

fn text(bytes: &[u8]) -> Text {
    Text {
        bytes: bytes.to_vec(),
        len: bytes.len() as u64,
        truncated: false,
    }
}

fn bound(form: u32, count: u32, len: usize, data: &[u8]) -> Bound {
    let fixed = Parameters {
        header: Header::ZERO,
        form,
        count,
        len: len as u64,
    };
    Bound::new(&fixed, data)
}

/// The list of a packet of which the first `kept` bytes are on record.
fn list(sql: &[u8], packet: &[u8], kept: usize, execution: &mut Execution) -> Option<Value> {
    let bound = bound(parameter_form::PACKET, 0, packet.len(), &packet[..kept]);
    super::packet(&bound, MAX, Some(&text(sql)), execution).map(Value::from)
}

fn whole(sql: &[u8], packet: &[u8], execution: &mut Execution) -> Option<Value> {
    list(sql, packet, packet.len(), execution)
}

/// Statement 1, no cursor, one time; then what follows.
fn execute(rest: &[u8]) -> Vec<u8> {
    [&[1, 0, 0, 0, 0, 1, 0, 0, 0], rest].concat()
}

fn typed(kind: u8, flags: u8, value: &[u8]) -> Option<Value> {
    let packet = execute(&[&[0, 1, kind, flags], value].concat());
    whole(b"select ?", &packet, &mut Execution::default())
}

#[test]
fn values_of_each_type() {
    let double = 1.5_f64.to_le_bytes();
    let moment = [11, 0xea, 0x07, 1, 2, 3, 4, 5, 0xc0, 0x27, 0x09, 0];
    let span = [12, 1, 2, 0, 0, 0, 1, 11, 12, 13, 0, 0, 0];
    let cases: [(u8, u8, &[u8], Value); 16] = [
        (1, 0, &[0xff], json!(-1)),
        (1, 0x80, &[0xff], json!(255)),
        (2, 0, &[0, 0x80], json!(-32768)),
        (3, 0x80, &[0xff; 4], json!(u32::MAX)),
        (8, 0x80, &[0xff; 8], json!(u64::MAX)),
        (8, 0, &[0xff; 8], json!(-1)),
        (5, 0, &double, json!(1.5)),
        (6, 0, &[], Value::Null),
        (10, 0, &[4, 0xea, 0x07, 12, 31], json!("2026-12-31")),
        (12, 0, &moment, json!("2026-01-02 03:04:05.600000")),
        (12, 0, &[0], json!("0000-00-00 00:00:00")),
        (11, 0, &span, json!("-49:11:12.000013")),
        (253, 0, b"\x03ab'", json!("ab'")),
        (246, 0, b"\x041.50", json!("1.50")),
        (
            252,
            0,
            b"\x02\x00\xff",
            json!({"type": "blob", "hex": "00ff"}),
        ),
        (253, 0, b"\x00", json!("")),
    ];
    for (kind, flags, bytes, value) in cases {
        assert_eq!(
            typed(kind, flags, bytes),
            Some(json!([value])),
            "type {kind}"
        );
    }
}

#[test]
fn what_is_not_understood_gives_nothing() {
    // An unknown type, a value that the packet has no room for, bytes behind the last, a month too many
    // bytes long.
    assert_eq!(typed(200, 0, &[1]), None);
    assert_eq!(typed(3, 0, &[1, 2]), None);
    assert_eq!(typed(1, 0, &[1, 2]), None);
    assert_eq!(typed(10, 0, &[5, 1, 2, 3, 4, 5]), None);
    assert_eq!(typed(253, 0, b"\xfd\x01"), None);
    // No types, since they were told before the recorder came.
    let packet = execute(&[0, 0, 7]);
    assert_eq!(whole(b"select ?", &packet, &mut Execution::default()), None);
    // A text that is not whole does not tell how many values there are.
    let mut cut = text(b"select ?");
    cut.truncated = true;
    let packet = execute(&[0, 1, 1, 0, 7]);
    let bound = bound(parameter_form::PACKET, 0, packet.len(), &packet);
    assert_eq!(
        super::packet(&bound, MAX, Some(&cut), &mut Execution::default()),
        None
    );
}

#[test]
fn types_are_told_once() {
    let mut execution = Execution::default();
    let first = execute(&[0b10, 1, 1, 0, 253, 0, 7]);
    assert_eq!(
        whole(b"values (?, ?)", &first, &mut execution),
        Some(json!([7, null]))
    );
    let next = execute(&[0, 0, 8, 1, b'x']);
    assert_eq!(
        whole(b"values (?, ?)", &next, &mut execution),
        Some(json!([8, "x"]))
    );
}

#[test]
fn what_is_cut_off_is_said_to_be() {
    let packet = execute(b"\x00\x01\xfd\x00\xfd\x00\x14aaaaaaaaaaaaaaaaaaaa\x01b");
    let list = |kept| list(b"values (?, ?)", &packet, kept, &mut Execution::default());
    let shown = json!({"text": "a".repeat(MAX), "bytes": 20});
    assert_eq!(list(packet.len()), Some(json!([shown, "b"])));
    let rest = list(packet.len() - 6).expect("a list");
    assert_eq!(rest[0]["bytes"], 20);
    assert_eq!(rest.as_array().map(Vec::len), Some(2));
}

#[test]
fn many_rows_in_one_packet() {
    let packet = [
        &[1, 0, 0, 0, 128, 0][..],
        &[1, 0, 253, 0],
        &[0, 1, 0, 1, b'a'],
        &[0, 2, 1],
        &[2, 3],
    ]
    .concat();
    let mut bound = bound(parameter_form::PACKET, 0, packet.len(), &packet);
    bound.bulk = true;
    let sql = text(b"insert into t values (?, ?)");
    let list = super::packet(&bound, MAX, Some(&sql), &mut Execution::default());
    let rows = json!([[1, "a"], [2, null], [{"type": "default"}, {"type": "ignore"}]]);
    assert_eq!(list.map(Value::from), Some(rows));
}

#[test]
fn long_values_take_the_place_of_those_in_the_packet() {
    let mut execution = Execution::default();
    let long = Long {
        bytes: b"long".to_vec(),
        len: Some(4),
    };
    execution.long.insert(0, long);
    let packet = execute(&[0, 1, 252, 0, 1, 0, 7]);
    let hex = json!({"type": "blob", "hex": "6c6f6e67"});
    assert_eq!(
        whole(b"values (?, ?)", &packet, &mut execution),
        Some(json!([hex, 7]))
    );
}

/// A `PS_PARAM`: null, type, unsigned, address, length.
fn param(null: u8, kind: u8, unsigned: u8, address: u64, len: u64) -> [u8; 48] {
    let mut bytes = [0; 48];
    (bytes[0], bytes[4], bytes[8]) = (null, kind, unsigned);
    bytes[0x10..0x18].copy_from_slice(&address.to_le_bytes());
    bytes[0x18..0x20].copy_from_slice(&len.to_le_bytes());
    bytes
}

fn of_array(
    params: &[[u8; 48]],
    values: &[(u32, &[u8])],
    execution: &mut Execution,
) -> Option<Value> {
    let data = params.concat();
    let mut bound = bound(
        parameter_form::MYSQL,
        u32::try_from(params.len()).unwrap(),
        data.len(),
        &data,
    );
    for (index, data) in values {
        let value = ValueRecord {
            header: Header::ZERO,
            index: *index,
            kind: 0,
            len: data.len() as u64,
        };
        bound.add(&value, data);
    }
    super::array(&bound, MAX, Some(execution)).map(Value::from)
}

#[test]
fn an_array_of_values() {
    let params = [
        param(0, 1, 1, 1, 1),
        param(1, 253, 0, 0, 0),
        param(0, 253, 0, 1, 2),
        param(0, 253, 0, 1, 0),
        param(0, 3, 0, 1, 4),
    ];
    let values: [(u32, &[u8]); 2] = [(0, &[0xff]), (2, b"ab")];
    let list = of_array(&params, &values, &mut Execution::default());
    let lost = json!({"type": "int", "lost": true});
    let list = list.expect("a list");
    assert_eq!(
        list.as_array().map(|list| &list[..4]),
        Some(&[json!(255), Value::Null, json!("ab"), json!("")][..])
    );
    assert_eq!(list[4]["type"], lost["type"]);
}

#[test]
fn an_array_of_values_whose_types_were_told_before() {
    let mut execution = Execution::default();
    let first = [param(0, 3, 1, 1, 4), param(0, 253, 0, 1, 1)];
    let told: [(u32, &[u8]); 2] = [(0, &[7, 0, 0, 0]), (1, b"a")];
    let list = of_array(&first, &told, &mut execution);
    assert_eq!(list, Some(json!([7, "a"])));
    // The server leaves the types at zero when the packet has none.
    let next = [param(0, 0, 0, 1, 4), param(0, 0, 0, 1, 1)];
    let told: [(u32, &[u8]); 2] = [(0, &[0xff, 0xff, 0xff, 0xff]), (1, b"b")];
    let list = of_array(&next, &told, &mut execution);
    assert_eq!(list, Some(json!([4_294_967_295_u32, "b"])));
    // Nobody knows the types of a statement that was prepared before the recorder came.
    let list = of_array(&next, &told, &mut Execution::default());
    assert_eq!(list, None);
}

proptest! {
    #[test]
    fn no_bytes_make_it_fail(
        packet in prop::collection::vec(any::<u8>(), 0..80),
        kept in 0_usize..80,
        bulk in any::<bool>(),
        count in 0_usize..5,
    ) {
        let sql = text("?,".repeat(count).as_bytes());
        let kept = kept.min(packet.len());
        let mut bound = bound(parameter_form::PACKET, 0, packet.len(), &packet[..kept]);
        bound.bulk = bulk;
        let list = super::packet(&bound, MAX, Some(&sql), &mut Execution::default());
        if let Some(list) = list.filter(|_| !bulk) {
            prop_assert_eq!(list.len(), count);
        }
        let array = super::Bound::new(
            &Parameters { header: Header::ZERO, form: parameter_form::MYSQL, count: 3, len: 144 },
            &packet,
        );
        let _list = super::array(&array, MAX, None);
    }
}
