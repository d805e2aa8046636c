//! What masked rows look like.

use std::sync::Arc;

use super::mask_literals;
use crate::{
    dedup::fingerprint::{Fingerprint, normalise},
    flow::{
        Dialect::{self, Mysql, Postgres},
        Event, Kind, Session, Status, Text,
    },
};

/// A row of a statement that ended well.
pub(super) fn row(text: &[u8], dialect: Dialect) -> Event {
    let mut event = Event::new(1, 0, Kind::Query, "simple");
    event.session = Some(Arc::new(Session {
        db_system_name: String::new(),
        server_version: None,
        host_name: "h".to_owned(),
        server_pid: 1,
        session_id: "1".to_owned(),
        db_user: Some("alice".to_owned()),
        db_namespace: Some("shop".to_owned()),
        client_address: None,
        client_port: None,
        application_name: None,
        dialect,
    }));
    event.text = Some(Text {
        len: text.len() as u64,
        bytes: text.to_vec(),
        truncated: false,
    });
    event
}

fn masked(mut event: Event) -> String {
    mask_literals(&mut event);
    String::from_utf8(event.text.unwrap().bytes).unwrap()
}

#[track_caller]
fn check(dialect: Dialect, text: &str, expect: &str) {
    assert_eq!(masked(row(text.as_bytes(), dialect)), expect, "{text}");
    let shape = |text: &str| Fingerprint::of(&normalise(text, dialect));
    assert_eq!(shape(text), shape(expect), "{text}");
}

#[test]
fn literals_of_a_text() {
    for dialect in [Postgres, Mysql] {
        check(dialect, "select 1, 'a', 1.5e3", "select ?, ?, ?");
        check(
            dialect,
            "select a from t where b in (1, 2)",
            "select a from t where b in ?",
        );
        check(
            dialect,
            "insert into t values(1,'x'),(2,'y')",
            "insert into t values ?",
        );
        check(dialect, "select /* of 4711 */ 1", "select /*?*/ ?");
        check(
            dialect,
            "select 1 -- of 4711\n",
            "select ? -- ?\n"
                .replace("-- ", if dialect == Postgres { "--" } else { "-- " })
                .as_str(),
        );
        check(dialect, "begin", "begin");
        check(dialect, "", "");
        check(dialect, "select 'it''s'", "select ?");
    }
    check(Postgres, "do $$ begin perform 'x'; end $$", "do ?");
    check(
        Postgres,
        "select E'a\\'b', $1, \"name\"",
        "select ?, $1, \"name\"",
    );
    check(Postgres, "select date'2020-01-01'", "select date ?");
    check(
        Mysql,
        "select \"a\", `b`, ?, x'41', 0x41",
        "select ?, `b`, ?, ?, ?",
    );
    check(Mysql, "select 'it\\'s', 2 from t", "select ?, ? from t");
    check(
        Mysql,
        "load data infile 'f' into table t fields escaped by '\\\\'",
        "load data infile ? into table t fields escaped by ?",
    );
}

/// A backslash whose meaning depends on the session.
#[test]
fn readings_that_part() {
    let check = |dialect, text: &str, status, expect: &str| {
        let mut event = row(text.as_bytes(), dialect);
        event.status = status;
        assert_eq!(masked(event), expect, "{text} {status:?}");
    };
    for dialect in [Postgres, Mysql] {
        // Of two readings, one has an open quote.
        check(
            dialect,
            "select 'a\\' from t",
            Status::Ok,
            "select ? from t",
        );
        check(
            dialect,
            "select 'a\\'b' from t",
            Status::Ok,
            "select ? from t",
        );
        check(dialect, "select 'a\\'b' from t", Status::Error, "select ?");
        check(
            dialect,
            "select 'a\\', b, 'c' from t",
            Status::Error,
            "select ?",
        );
        check(
            dialect,
            "select 1, 'a\\n' from t",
            Status::Error,
            "select ?, ? from t",
        );
    }
    check(
        Mysql,
        "select \"a\\\" or b\" from t",
        Status::Error,
        "select ?",
    );
}

#[test]
fn what_stays_and_what_goes() {
    let mut event = row(b"select * from t where a = $1 and b = 'x", Postgres);
    event.text.as_mut().unwrap().truncated = true;
    event.text.as_mut().unwrap().len = 5000;
    event.parameters = Some("[1]".to_owned());
    event.objects = Some("[]".to_owned());
    mask_literals(&mut event);
    assert_eq!(
        event.text,
        Some(Text {
            bytes: b"select * from t where a = $1 and b = ?".to_vec(),
            len: 5000,
            truncated: true
        })
    );
    assert_eq!(event.parameters, None);
    assert_eq!(event.objects.as_deref(), Some("[]"));

    let mut nameless = row(b"select 'x'", Postgres);
    nameless.session = None;
    assert_eq!(masked(nameless), "?");

    let mut own = Event::new(1, 0, Kind::Lifecycle, "attach");
    own.error_message = Some("postgresql 15, pid 5".to_owned());
    let before = own.clone();
    mask_literals(&mut own);
    assert_eq!(own, before);
}

#[test]
fn messages() {
    let check = |dialect, text: &str, state: &str, message: &str, expect: &str| {
        let mut event = row(text.as_bytes(), dialect);
        event.status = Status::Error;
        event.sqlstate = Some(state.to_owned());
        event.error_message = Some(message.to_owned());
        mask_literals(&mut event);
        assert_eq!(event.error_message.as_deref(), Some(expect), "{text}");
    };
    let pg =
        |text: &str, message: &str, expect: &str| check(Postgres, text, "22000", message, expect);
    let my = |text: &str, message: &str, expect: &str| check(Mysql, text, "HY000", message, expect);

    pg(
        "select * from Orders_Old",
        "relation \"orders_old\" does not exist",
        "relation \"orders_old\" does not exist",
    );
    pg(
        "select 'zack'::int",
        "invalid input syntax for type integer: \"zack\"",
        "invalid input syntax for type integer: \"?\"",
    );
    pg(
        "select 'ZACK'::regclass",
        "relation \"zack\" does not exist",
        "relation \"?\" does not exist",
    );
    pg(
        "select ('za'||'ck')::regclass",
        "relation \"zack\" does not exist",
        "relation \"?\" does not exist",
    );
    pg(
        "insert into t values (5)",
        "duplicate key value violates unique constraint \"t_pkey\"",
        "duplicate key value violates unique constraint \"t_pkey\"",
    );
    pg(
        "insert into t values ('n')",
        "null value in column \"b\" of relation \"t\" violates not-null constraint",
        "null value in column \"b\" of relation \"t\" violates not-null constraint",
    );
    pg(
        "select 'abc",
        "unterminated quoted string at or near \"'abc\"",
        "unterminated quoted string at or near \"?\"",
    );
    pg(
        "select 99999999999::int",
        "value \"99999999999\" is out of range",
        "value \"?\" is out of range",
    );
    pg("select 1/0", "division by zero", "division by zero");
    check(Postgres, "select f('zack')", "P0001", "no zack here", "?");

    my(
        "insert into t values ('zack')",
        "Duplicate entry 'zack-5' for key 'PRIMARY'",
        "Duplicate entry '?' for key 'PRIMARY'",
    );
    my(
        "select nope",
        "Unknown column 'nope' in 'field list'",
        "Unknown column 'nope' in 'field list'",
    );
    my(
        "select * from t",
        "Table 'shop.t' doesn't exist",
        "Table 'shop.t' doesn't exist",
    );
    my(
        "insert into t values ('zack')",
        "Incorrect integer value: 'zack' for column `shop`.`t`.`a` at row 1",
        "Incorrect integer value: '?' for column `shop`.`t`.`a` at row 1",
    );
    my(
        "selec 'zack', 'x'",
        "You have an error in your SQL syntax; check the manual to use near 'selec 'zack', 'x'' at line 1",
        "You have an error in your SQL syntax; check the manual to use near '?' at line 1",
    );
    my(
        "insert into t values ('zack')",
        "Data too long for column 'a' at row 1",
        "Data too long for column 'a' at row 1",
    );

    let mut login = row(b"", Mysql);
    login.kind = Kind::AuthFailure;
    login.text = None;
    login.error_message = Some("Access denied for user 'bob'@'localhost'".to_owned());
    let before = login.clone();
    mask_literals(&mut login);
    assert_eq!(login, before);
}

#[test]
fn bind_values_in_messages() {
    let mut event = row(b"select $1::int", Postgres);
    event.status = Status::Error;
    event.parameters = Some(r#"["zack", {"type": "x", "hex": "6162"}]"#.to_owned());
    event.error_message = Some("zack is no integer".to_owned());
    mask_literals(&mut event);
    assert_eq!(event.error_message.as_deref(), Some("? is no integer"));
}
