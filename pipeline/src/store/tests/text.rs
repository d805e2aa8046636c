//! What went in comes out: text byte for byte, every field, in SQLite of ours and of the system.

use proptest::prelude::*;
use rusqlite::types::Value;
use schema::columns::COLUMNS;
use schema::sqlite::view_columns;

use super::*;
use crate::dedup::dictionary;

/// Statements that a quoting, a format or a list could get wrong.
fn awkward() -> Vec<Vec<u8>> {
    let many = |n: usize| {
        (0..n)
            .map(|i| format!("c{i} = 'v''{i}%'"))
            .collect::<Vec<_>>()
            .join(" and ")
    };
    let mut texts: Vec<Vec<u8>> = [
        "",
        " ",
        ";",
        "select 1",
        "select 'it''s', E'a\\'b', $q$ dollar 'quoted' $q$",
        "select 100 % 7, a%s, b %% c, '%s%d%%' from t%s where x like '%'",
        "%",
        "%s",
        "%%s",
        "'",
        "''",
        "select '🦀 zoë', \"Ünï\" from t where 名 = '値'",
        "select 1\n\t, 'two\nlines'\r\n -- comment with 'quote\n/* and /* nested */ one */",
        "select '\u{1}\u{7f}\u{1f}\u{2028}'",
        "insert into t values (1, 'a', null, 2.5e-3), (2, 'b', true, -1)",
        "\u{feff}select 1",
        "select '\u{fffd}'",
    ]
    .map(|text| text.as_bytes().to_vec())
    .to_vec();
    texts.extend(
        [7, 8, 9, 31, 32, 33, 120]
            .map(|n| format!("select * from t where {}", many(n)).into_bytes()),
    );
    texts.push(
        format!(
            "select * from t where id in ({})",
            vec!["123456"; 20_000].join(",")
        )
        .into_bytes(),
    );
    texts.push(b"select 'caf\xe9'".to_vec());
    texts.push(b"select 'a\0b'".to_vec());
    texts.push(b"\0".to_vec());
    texts.push(b"\xff\xfe%s".to_vec());
    texts.push("select '🦀".as_bytes()[..10].to_vec());
    texts
}

fn store(dir: &Path, texts: &[Vec<u8>], dialect: Dialect) {
    let mut store = open(dir);
    let events = (1..).zip(texts).map(|(seq, text)| Event {
        session: Some(session("alice", dialect)),
        ..query(seq, text)
    });
    store.append(&batch(events.collect()), NOW).unwrap();
}

#[test]
fn awkward_texts_come_back_exactly() {
    for dialect in [Dialect::Postgres, Dialect::Mysql] {
        let dir = tempfile::tempdir().unwrap();
        let sent = awkward();
        store(dir.path(), &sent, dialect);
        let got = texts(dir.path());
        assert_eq!(got.len(), sent.len());
        for (sent, got) in sent.iter().zip(&got) {
            assert_eq!(String::from_utf8_lossy(sent), String::from_utf8_lossy(got));
            assert!(sent == got);
        }
    }
}

#[test]
fn awkward_texts_come_back_through_the_systems_sqlite3() {
    let dir = tempfile::tempdir().unwrap();
    let sent = awkward();
    store(dir.path(), &sent, Dialect::Postgres);
    let sql = "SELECT hex(coalesce(db_query_raw, db_query_text)) FROM events ORDER BY seq";
    let Some(output) = system_sqlite3(dir.path(), sql) else {
        return;
    };
    let got: Vec<&str> = output.lines().collect();
    let hex = |text: &Vec<u8>| {
        text.iter()
            .map(|byte| format!("{byte:02X}"))
            .collect::<String>()
    };
    assert_eq!(got, sent.iter().map(hex).collect::<Vec<_>>());
}

#[test]
fn text_that_is_none_is_readable_and_exact() {
    let dir = tempfile::tempdir().unwrap();
    store(
        dir.path(),
        &[b"select 'caf\xe9\0'".to_vec(), b"select 'cafe'".to_vec()],
        Dialect::Postgres,
    );
    assert_eq!(
        rows(
            dir.path(),
            "SELECT db_query_text, db_query_raw, db_query_template, query_bytes FROM events ORDER BY seq"
        ),
        [
            vec![
                Value::Text("select 'caf\u{fffd}\u{fffd}'".to_owned()),
                Value::Blob(b"select 'caf\xe9\0'".to_vec()),
                Value::Text("select ?".to_owned()),
                Value::Integer(14),
            ],
            vec![
                Value::Text("select 'cafe'".to_owned()),
                Value::Null,
                Value::Text("select ?".to_owned()),
                Value::Integer(13),
            ],
        ]
    );
    assert_eq!(
        numbers(dir.path(), "SELECT count(DISTINCT fingerprint) FROM events"),
        [1]
    );
}

#[test]
fn every_field_comes_back() {
    let dir = tempfile::tempdir().unwrap();
    let full = Event {
        message_seq: 1,
        kind: Kind::Query,
        command: "execute",
        text: Some(Text {
            bytes: b"delete from t where id = 7".to_vec(),
            len: 300_000,
            truncated: true,
        }),
        parameters: Some("[1]".to_owned()),
        objects: Some("[\"t\"]".to_owned()),
        status: Status::Error,
        status_code: Some("1451".to_owned()),
        sqlstate: Some("23503".to_owned()),
        error_message: Some("violates".to_owned()),
        rows_returned: Some(0),
        rows_affected: Some(1),
        duration_us: Some(1234),
        repeat_count: 5,
        parent_seq: Some(1),
        ..query(2, "")
    };
    open(dir.path())
        .append(&batch(vec![lifecycle(1, "start"), full]), NOW)
        .unwrap();

    let names: Vec<String> = view_columns().map(str::to_owned).collect();
    let reader = Reader::open(dir.path()).unwrap();
    let statement = reader.connection().prepare("SELECT * FROM events").unwrap();
    assert_eq!(statement.column_names().collect::<Vec<_>>(), names);

    let got = rows(dir.path(), "SELECT * FROM events ORDER BY seq");
    let text = |word: &str| Value::Text(word.to_owned());
    let fingerprint = words(dir.path(), "SELECT fingerprint FROM statements").remove(0);
    let expected = [
        Value::Integer(2),
        Value::Integer(NOW + 2),
        text("2026-11-22T01:05:51.123458Z"),
        text("query"),
        text("postgresql"),
        text("15.18"),
        text("box"),
        Value::Integer(42),
        text("66a1.2a"),
        text("alice"),
        text("shop"),
        text("10.0.0.7"),
        Value::Integer(50_123),
        Value::Null,
        text("execute"),
        text("WRITE"),
        text("DELETE"),
        text("[\"t\"]"),
        text("delete from t where id = 7"),
        Value::Null,
        text("delete from t where id = ?"),
        Value::Integer(300_000),
        Value::Integer(1),
        text(&fingerprint),
        text("[1]"),
        text("error"),
        text("1451"),
        text("23503"),
        text("violates"),
        Value::Integer(0),
        Value::Integer(1),
        Value::Integer(1234),
        Value::Integer(5),
        Value::Integer(1),
        Value::Integer(1),
    ];
    for ((name, got), expected) in names.iter().zip(&got[1]).zip(&expected) {
        assert_eq!(got, expected, "{name}");
    }
    // The row of the recorder itself has what every row must have, and nothing of a statement.
    for (column, got) in view_columns().zip(&got[0]) {
        let required = column == "time_text"
            || COLUMNS
                .iter()
                .any(|known| known.name == column && !known.nullable);
        assert_eq!(
            *got != Value::Null,
            required || column == "status",
            "{column}"
        );
    }
}

#[test]
fn words_are_stored_as_their_numbers() {
    let kinds = [
        Kind::Query,
        Kind::Connect,
        Kind::Disconnect,
        Kind::AuthFailure,
        Kind::RowChange,
        Kind::Loss,
        Kind::Lifecycle,
        Kind::Alert,
    ];
    assert_eq!(kinds.map(Kind::as_str), schema::sqlite::KINDS);
    let statuses = [Status::Ok, Status::Error, Status::Running, Status::Unknown];
    assert_eq!(statuses.map(Status::as_str), schema::sqlite::STATUSES);

    let dir = tempfile::tempdir().unwrap();
    let events = (1..).zip(kinds).map(|(seq, kind)| Event {
        kind,
        status: statuses[usize::try_from(seq).unwrap() % 4],
        ..lifecycle(seq, "x")
    });
    open(dir.path())
        .append(&batch(events.collect()), NOW)
        .unwrap();
    assert_eq!(
        words(dir.path(), "SELECT kind FROM events ORDER BY seq"),
        kinds.map(Kind::as_str)
    );
    assert_eq!(
        words(
            dir.path(),
            "SELECT status FROM events WHERE seq < 5 ORDER BY seq"
        ),
        ["error", "running", "unknown", "ok"]
    );
}

#[test]
fn statements_are_counted_by_fingerprint() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = open(dir.path());
    let folded = Event {
        repeat_count: 10,
        time_us: NOW - 5,
        ..query(2, "SELECT  2;")
    };
    store
        .append(
            &batch(vec![query(1, "select 1"), folded, query(3, "drop table t")]),
            NOW,
        )
        .unwrap();
    store
        .append(&batch(vec![query(4, "select 4")]), NOW)
        .unwrap();
    let got = rows(
        dir.path(),
        "SELECT db_query_template, class, db_operation_name, first_seen, last_seen, count
         FROM statements ORDER BY count DESC",
    );
    let text = |word: &str| Value::Text(word.to_owned());
    let number = Value::Integer;
    assert_eq!(
        got,
        [
            [
                text("select ?"),
                text("READ"),
                text("SELECT"),
                number(NOW - 5),
                number(NOW + 4),
                number(12)
            ],
            [
                text("drop table t"),
                text("DDL"),
                text("DROP TABLE"),
                number(NOW + 3),
                number(NOW + 3),
                number(1)
            ],
        ]
    );
    assert_eq!(
        numbers(dir.path(), "SELECT count(DISTINCT fingerprint) FROM events"),
        [2]
    );
}

#[test]
fn full_dictionary_stores_whole_texts() {
    let dir = tempfile::tempdir().unwrap();
    let limits = dictionary::Limits {
        templates: 2,
        ..dictionary::Limits::default()
    };
    let mut store = Store::open(
        dir.path(),
        Options {
            dictionary: limits,
            ..options()
        },
        NOW,
    )
    .unwrap();
    let sent = [
        "select 'a'",
        "select 'b' from t",
        "drop table z",
        "select 'c'",
        "drop table z",
        "update t set x = 1",
    ];
    let events = (1..)
        .zip(sent)
        .map(|(seq, text)| query(seq, text))
        .collect();
    let appended = store.append(&batch(events), NOW).unwrap();
    assert_eq!(appended.whole_texts, 3);
    assert_eq!(texts(dir.path()), sent.map(str::as_bytes));
    assert_eq!(numbers(dir.path(), "SELECT count(*) FROM templates_1"), [2]);
    let shapes = rows(
        dir.path(),
        "SELECT class, db_operation_name, db_query_template FROM events WHERE seq > 4",
    );
    let text = |word: &str| Value::Text(word.to_owned());
    assert_eq!(
        shapes,
        [
            [text("DDL"), text("DROP TABLE"), text("drop table z")],
            [text("WRITE"), text("UPDATE"), text("update t set x = ?")],
        ]
    );
    assert_eq!(
        numbers(dir.path(), "SELECT count(DISTINCT fingerprint) FROM events"),
        [4]
    );
    assert_eq!(
        numbers(
            dir.path(),
            "SELECT count(*) FROM events JOIN statements USING (fingerprint)"
        ),
        [6]
    );
}

/// Bytes as clients may send them: SQL, near-SQL, and anything.
fn any_text() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        Just("select ".to_owned()),
        Just(" where a".to_owned()),
        Just(", ".to_owned()),
        Just("%".to_owned()),
        Just("%s".to_owned()),
        Just("/* c */".to_owned()),
        Just("-- c\n".to_owned()),
        Just("in (1, 'b', 3)".to_owned()),
        "[0-9]{1,5} ",
        "'([a-z%\"\\\\]|''|\u{1f980}|\n){0,6}' ",
        "\\PC{0,4}",
    ];
    prop_oneof![
        4 => prop::collection::vec(piece, 0..80).prop_map(|pieces| pieces.concat().into_bytes()),
        1 => prop::collection::vec(any::<u8>(), 0..60),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn any_texts_come_back_exactly(
        sent in prop::collection::vec((any_text(), any::<bool>()), 1..40),
    ) {
        let dir = tempfile::tempdir().unwrap();
        let mut store = open(dir.path());
        let events = (1..).zip(&sent).map(|(seq, (text, mysql))| Event {
            session: Some(session("alice", if *mysql { Dialect::Mysql } else { Dialect::Postgres })),
            ..query(seq, text)
        });
        store.append(&batch(events.collect()), NOW).unwrap();
        let sent: Vec<Vec<u8>> = sent.into_iter().map(|(text, _)| text).collect();
        prop_assert_eq!(texts(dir.path()), sent);
        let typed = "SELECT count(*) FROM events
                     WHERE typeof(db_query_text) <> 'text' OR typeof(db_query_raw) NOT IN ('blob', 'null')";
        prop_assert_eq!(numbers(dir.path(), typed), [0]);
    }
}
