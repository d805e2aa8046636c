//! Statements with secrets, and such as look like it.

use std::sync::Arc;

use super::{MASK, mask, mask_event};
use crate::{
    dedup::{classify, lex::Lexer},
    flow::{
        Dialect::{self, Mysql, Postgres},
        Event, Kind, Session, Status, Text,
    },
};

/// What every secret of the corpus has in it.
const MARKER: &str = "Zq7";

/// The statements of `testdata/secrets.txt`.
pub(super) fn corpus() -> Vec<(Dialect, String)> {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/secrets.txt");
    let file = std::fs::read_to_string(file).unwrap();
    let statements: Vec<_> = file
        .split("\n--- ")
        .skip(1)
        .map(|entry| {
            let (dialect, text) = entry.split_once('\n').unwrap();
            let dialect = match dialect {
                "postgres" => Postgres,
                "mysql" => Mysql,
                other => panic!("{other}"),
            };
            (dialect, text.trim_end_matches('\n').to_owned())
        })
        .collect();
    assert!(statements.len() >= 200);
    assert!(statements.iter().all(|(_, text)| text.contains(MARKER)));
    statements
}

fn masked(text: &[u8], dialect: Dialect) -> Vec<u8> {
    mask(text, Some(dialect)).into_owned()
}

fn leaks(bytes: &[u8]) -> bool {
    bytes
        .windows(MARKER.len())
        .any(|bytes| bytes.eq_ignore_ascii_case(MARKER.as_bytes()))
}

fn event(dialect: Dialect, text: &[u8]) -> Event {
    let mut event = Event::new(1, 0, Kind::Query, "simple");
    event.session = Some(Arc::new(Session {
        db_system_name: String::new(),
        server_version: None,
        host_name: String::new(),
        server_pid: 1,
        session_id: String::new(),
        db_user: None,
        db_namespace: None,
        client_address: None,
        client_port: None,
        application_name: None,
        dialect,
    }));
    event.status = Status::Error;
    event.text = Some(Text {
        bytes: text.to_vec(),
        len: text.len() as u64,
        truncated: false,
    });
    event
}

fn text_of(event: &Event) -> String {
    String::from_utf8_lossy(&event.text.as_ref().unwrap().bytes).into_owned()
}

#[test]
fn no_secret_of_the_corpus_is_left() {
    let mut leaking = Vec::new();
    for (dialect, text) in corpus() {
        let mut event = event(dialect, text.as_bytes());
        mask_event(&mut event);
        let clean = text_of(&event);
        if leaks(clean.as_bytes()) {
            leaking.push(format!("{dialect:?}: {text}\n    {clean}"));
        }
        assert_eq!(event.text.unwrap().len, text.len() as u64);
        assert_eq!(
            classify(&clean, dialect),
            classify(&text, dialect),
            "{text}"
        );
        assert_eq!(
            masked(clean.as_bytes(), dialect),
            clean.as_bytes(),
            "{text}"
        );
    }
    assert!(leaking.is_empty(), "{}", leaking.join("\n"));
}

/// Cut off anywhere, between other statements, in bytes that are no UTF-8, and without a dialect.
#[test]
fn no_secret_of_the_corpus_is_left_in_any_surroundings() {
    for (dialect, text) in corpus() {
        // The name that announces the secret stands behind it there.
        let behind = text.contains("' = password");
        let cuts = if behind { 0..0 } else { 0..text.len() };
        for end in cuts.filter(|end| text.is_char_boundary(*end)) {
            let mut event = event(dialect, &text.as_bytes()[..end]);
            mask_event(&mut event);
            assert!(!leaks(text_of(&event).as_bytes()), "{}", &text[..end]);
        }
        let mut surroundings = vec![
            [b"select 'caf\xe9\xff', 1;\n", text.as_bytes()].concat(),
            [b"\xf0\x9f/* \xa6 */ ", text.as_bytes()].concat(),
            [text.as_bytes(), b"; select '\xe9'"].concat(),
        ];
        if !text.contains("/*") && !text.contains("--") && !text.contains('#') {
            surroundings.push(format!("/* {text} */").into_bytes());
        }
        for surroundings in surroundings {
            let mut known = event(dialect, &surroundings);
            mask_event(&mut known);
            assert!(!leaks(text_of(&known).as_bytes()), "{}", text_of(&known));
            let mut unknown = event(dialect, &surroundings);
            unknown.session = None;
            mask_event(&mut unknown);
            assert!(
                !leaks(text_of(&unknown).as_bytes()),
                "{}",
                text_of(&unknown)
            );
        }
    }
}

#[test]
fn what_is_masked() {
    for (dialect, text, expect) in [
        (
            Postgres,
            "create role a login password 'x' valid until '2030-01-01'",
            "create role a login password '***' valid until '2030-01-01'",
        ),
        (
            Postgres,
            "update t set name = 'n', password = 'x', note = 'y' where id = 'z'",
            "update t set name = 'n', password = '***', note = 'y' where id = 'z'",
        ),
        (
            Postgres,
            "create subscription s connection 'host=h password=x dbname=d' publication p",
            "create subscription s connection 'host=h password=*** dbname=d' publication p",
        ),
        (
            Postgres,
            "do $$ begin execute 'alter role a password ''x'''; raise notice 'done'; end $$",
            "do $$ begin execute 'alter role a password ''***'''; raise notice 'done'; end $$",
        ),
        (
            Postgres,
            "create user mapping for u server s options (user 'bob', password 'x')",
            "create user mapping for u server s options (user 'bob', password '***')",
        ),
        (
            Postgres,
            "select pgp_sym_encrypt('data', 'x'), 'y'",
            "select pgp_sym_encrypt('data', '***'), 'y'",
        ),
        (
            Postgres,
            "copy t to program 'mysql -u root -px db'",
            "copy t to program 'mysql -u root -p*** db'",
        ),
        (
            Postgres,
            r"alter role a password 'x\'y' valid until 'z'",
            r"alter role a password '***' valid until 'z'",
        ),
        (
            Mysql,
            "create user 'a'@'h' identified by 'x', 'b'@'h' identified with 'ed25519' by 'y' comment 'c'",
            "create user 'a'@'h' identified by '***', 'b'@'h' identified with 'ed25519' by '***' comment 'c'",
        ),
        (
            Mysql,
            "alter user a identified by 'x' replace 'y' require subject 's'",
            "alter user a identified by '***' replace '***' require subject 's'",
        ),
        (
            Mysql,
            "set password for 'a'@'h' = password('x')",
            "set password for 'a'@'h' = password('***')",
        ),
        (
            Mysql,
            "change master to master_host='h', master_password='x', master_user='u'",
            "change master to master_host='h', master_password='***', master_user='u'",
        ),
        (
            Mysql,
            "select aes_encrypt('data', 'x'), 'y'",
            "select aes_encrypt('data', '***'), 'y'",
        ),
        (Mysql, "select password(0x6162)", "select password('***')"),
        (
            Mysql,
            "alter user a identified by 'x' \"y\" account lock",
            "alter user a identified by '***' account lock",
        ),
        (
            Mysql,
            "set @s = concat('alter user a identified by ''', 'x', '''')",
            "set @s = concat('alter user a identified by ''', '***', '***')",
        ),
    ] {
        let clean = masked(text.as_bytes(), dialect);
        assert_eq!(String::from_utf8_lossy(&clean), expect);
    }
}

#[test]
fn ordinary_statements_stay_as_they_are() {
    for text in [
        "select password from users where id = 5 and name = 'bob'",
        "select id, password, token from users where name = 'bob' order by 'x'",
        "select u.password, 'bob' from users u",
        "create table users (id int, password varchar(50) not null, name text default 'x')",
        "alter table users add column password text",
        "insert into users (name, password) values ('bob', $1)",
        "update users set password = $1 where name = 'bob'",
        "update users set password = null, name = 'bob' where id = 5",
        "update users set password = new_password where name = 'bob'",
        "update users set passed = 'yes', token_type = 'x' where name = 'bob'",
        "comment on column users.password is 'a hash'",
        "create user bob",
        "create role admin in role 'x'",
        "drop user 'bob'@'localhost'",
        "create user mapping for bob server s options (user 'bob')",
        "alter role bob set search_path to 'x', 'y'",
        "alter user bob password expire",
        "create user 'bob'@'localhost' identified via unix_socket",
        "grant select on t to 'bob'@'localhost'",
        "select encode('abc'::bytea, 'hex')",
        "set password_encryption = 'scram-sha-256'",
        "select * from keys where primary_key = 'x'",
        "select 'the password is wrong', 'x'",
        "select * from t where action in ('login', 'password', 'logout')",
        "select 'http://h:8080/a@b', 'https://h/x?page=2', 'mailto:a@b'",
        "select identified, 'x' from t where identified = 'yes'",
        "select 'a -p', 'x' from program where name = 'x'",
        "begin; select 'secret'; commit",
        "select * from t where note = 'it''s a secret'",
        "/* no password here */ select 'x'",
    ] {
        for dialect in [Postgres, Mysql] {
            if dialect == Mysql && text.contains("encode(") {
                continue;
            }
            let clean = masked(text.as_bytes(), dialect);
            assert_eq!(String::from_utf8_lossy(&clean), text, "{dialect:?}");
        }
    }
}

#[test]
fn messages() {
    let check = |dialect, text: &str, message: &str, expect: &str| {
        let mut event = event(dialect, text.as_bytes());
        event.error_message = Some(message.to_owned());
        mask_event(&mut event);
        assert_eq!(event.error_message.as_deref(), Some(expect), "{text}");
    };
    check(
        Postgres,
        "alter role a password 'Zq7long' nonsense",
        "syntax error at or near \"nonsense\"",
        "syntax error at or near \"nonsense\"",
    );
    check(
        Postgres,
        "alter role a pass word 'Zq7long'",
        "syntax error at or near \"'Zq7long'\"",
        "syntax error at or near \"'***'\"",
    );
    check(
        Postgres,
        "alter role a password Zq7long",
        "syntax error at or near \"Zq7long\"",
        "syntax error at or near \"***\"",
    );
    check(
        Postgres,
        "alter role a password 'Zq7",
        "unterminated quoted string at or near \"'Zq7\"",
        "unterminated quoted string at or near \"'***\"",
    );
    check(
        Postgres,
        "alter role a password 'a'",
        "role \"a\" does not exist, and a role cannot be changed by a name",
        "role \"***\" does not exist, and *** role cannot be changed by *** name",
    );
    check(
        Mysql,
        "alter user a identifid by 'Zq7 a very long secret'",
        "You have an error near 'identifid by 'Zq7 a ve' at line 1",
        "You have an error near 'identifid by '***' at line 1",
    );
    check(
        Mysql,
        "alter user a identifid by 'Zq7'",
        "You have an error near 'identifid by 'Zq' at line 1",
        "You have an error near 'identifid by '***' at line 1",
    );
    check(
        Mysql,
        "call p()",
        "You have an error near 'identified by 'Zq7'' at line 1",
        "You have an error near 'identified by '***'' at line 1",
    );
    check(
        Mysql,
        "select 1",
        "Access denied for user 'bob'@'localhost' (using password: YES)",
        "Access denied for user 'bob'@'localhost' (using password: YES)",
    );
    check(
        Mysql,
        "create user bob@h identified by 'Zq7'",
        "Operation CREATE USER failed for 'bob'@'h'",
        "Operation CREATE USER failed for 'bob'@'h'",
    );
    check(
        Postgres,
        "select dblink_connect('host=h password=Zq7x')",
        "could not connect: host=h password=Zq7x",
        "could not connect: host=h password=***",
    );

    // The text ends before the secret, or in it.
    for (text, message, expect) in [
        (
            "alter role a passwo",
            "syntax error at or near \"'Zq7'\"",
            "syntax error at or near \"***\"",
        ),
        (
            "alter role a password Zq7",
            "syntax error at or near \"Zq7x\"",
            "syntax error at or near \"***\"",
        ),
        (
            "alter role a password 'Zq7",
            "syntax error at or near \"'Zq7x'\"",
            "syntax error at or near \"***\"",
        ),
        (
            "update t set password = \"Zq7",
            "column \"Zq7x\" does not exist",
            "column \"***\" does not exist",
        ),
        (
            "install plugin x soname 'password=Zq7",
            "cannot open '/lib/password=Zq7x.so' (errno 2)",
            "cannot open '/lib/password=*** (errno 2)",
        ),
        (
            "create user a@b identified by 'Zq7",
            "cannot use Zq7x now",
            "cannot use *** now",
        ),
        (
            "select 'a' fro",
            "relation \"b\" does not exist",
            "relation \"b\" does not exist",
        ),
    ] {
        let mut event = event(Postgres, text.as_bytes());
        event.text.as_mut().unwrap().truncated = true;
        event.error_message = Some(message.to_owned());
        mask_event(&mut event);
        assert_eq!(event.error_message.as_deref(), Some(expect));
    }
}

#[test]
fn a_login_without_text() {
    let mut event = event(Postgres, b"");
    event.text = None;
    event.kind = Kind::AuthFailure;
    let message = "password authentication failed for user \"bob\"";
    event.error_message = Some(message.to_owned());
    mask_event(&mut event);
    assert_eq!(event.error_message.as_deref(), Some(message));
}

#[test]
fn parameters() {
    let check = |text: &str, parameters: &str, expect: &str| {
        let mut event = event(Postgres, text.as_bytes());
        event.parameters = Some(parameters.to_owned());
        mask_event(&mut event);
        assert_eq!(event.parameters.as_deref(), Some(expect), "{text}");
    };
    check(
        "update t set password = $2 where name = $1",
        r#"["bob","Zq7"]"#,
        r#"["bob","***"]"#,
    );
    check(
        "update t set password = $2 where name = $1",
        r#"["bob", null]"#,
        r#"["bob", null]"#,
    );
    check(
        "select crypt($1, gen_salt('bf')), $2",
        r#"["Zq7",5]"#,
        r#"["***",5]"#,
    );
    check(
        "alter role a password 'Zq7x'; select $1",
        r#"["is it Zq7x", {"a": "Zq7x"}, 1.50]"#,
        r#"["is it ***",{"a":"***"},1.5]"#,
    );
    check("alter role a password 'Zq7x'", "[\"Zq7x", "[\"***");
    check("select $1", r#"[ "Zq7" ]"#, r#"[ "Zq7" ]"#);
}

/// What masks also reads as it did, so that templates and classes stay useful.
#[test]
fn a_masked_literal_is_a_literal() {
    let text = "alter role a password 'x'; select 'y'";
    let clean = masked(text.as_bytes(), Postgres);
    let tokens =
        |text: &[u8]| -> Vec<_> { Lexer::new(text, Postgres).map(|token| token.kind).collect() };
    assert_eq!(tokens(text.as_bytes()), tokens(&clean));
    assert_eq!(MASK.len(), 3);
}
