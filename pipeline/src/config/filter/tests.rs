//! Rules against rows.

use std::sync::Arc;

use super::{Cause, Filter};
use crate::{
    config::parse,
    flow::{Dialect, Event, Kind, Session, Status, Text},
};

fn filter(rules: &str) -> Filter {
    Filter::new(parse(std::path::Path::new("f"), rules).unwrap().filter)
}

fn row(text: &str) -> Event {
    let mut event = Event::new(1, 0, Kind::Query, "simple");
    event.session = Some(Arc::new(Session {
        db_system_name: "postgresql".to_owned(),
        server_version: None,
        host_name: "h".to_owned(),
        server_pid: 77,
        session_id: "1".to_owned(),
        db_user: Some("alice".to_owned()),
        db_namespace: Some("shop".to_owned()),
        client_address: Some("10.1.2.3".to_owned()),
        client_port: Some(5000),
        application_name: Some("psql".to_owned()),
        dialect: Dialect::Postgres,
    }));
    event.text = Some(Text {
        bytes: text.as_bytes().to_vec(),
        len: text.len() as u64,
        truncated: false,
    });
    event.objects =
        Some(r#"[{"name":"public.orders","written":true},{"name":"audit.log"}]"#.to_owned());
    event
}

#[test]
fn each_condition() {
    let event = row("update orders set a = 'needle'");
    for (condition, expected) in [
        ("", true),
        ("db_system_name = 'postgresql'", true),
        ("db_system_name = 'mysql'", false),
        ("db_user = 'alice'", true),
        ("db_user = 'Alice'", false),
        ("db_user = ['bob', 'alice']", true),
        ("db_namespace = 'shop'", true),
        ("db_namespace = 'other'", false),
        ("client_address = '10.1.2.3'", true),
        ("client_address = '10.0.0.0/8'", true),
        ("client_address = '::ffff:10.1.2.3'", true),
        ("client_address = ['192.168.0.0/16', 'local']", false),
        ("application_name = 'psql'", true),
        ("application_name = 'pgbench'", false),
        ("server_pid = 77", true),
        ("server_pid = [1, 2]", false),
        ("command = 'simple'", true),
        ("command = 'COM_QUERY'", false),
        ("status = 'ok'", true),
        ("status = ['error', 'unknown']", false),
        ("class = 'write'", true),
        ("class = ['READ', 'DDL']", false),
        ("operation = 'update'", true),
        ("operation = 'INSERT'", false),
        ("object = 'public.*'", true),
        ("object = 'audit.log'", true),
        ("object = '*.orders'", true),
        ("object = 'orders'", false),
        ("text = 'needle'", true),
        ("text = '(?i)^UPDATE'", true),
        ("text = '^needle'", false),
        ("db_user = 'alice'\nclass = 'READ'", false),
        ("db_user = 'alice'\nclass = 'WRITE'", true),
    ] {
        let rules = filter(&format!("[[filter]]\naction = 'exclude'\n{condition}"));
        let excluded = rules.excludes(&event);
        assert_eq!(excluded, expected.then_some(Cause::Rule(1)), "{condition}");
    }
}

#[test]
fn what_a_row_does_not_say_holds_for_nothing() {
    let mut event = Event::new(1, 0, Kind::Query, "message");
    event.status = Status::Error;
    for condition in [
        "db_user = 'alice'",
        "client_address = '0.0.0.0/0'",
        "server_pid = 0",
        "class = 'MISC'",
        "operation = ''",
        "object = '*'",
        "text = ''",
    ] {
        let rules = filter(&format!("[[filter]]\naction = 'exclude'\n{condition}"));
        assert_eq!(rules.excludes(&event), None, "{condition}");
    }
}

#[test]
fn the_first_rule_that_matches_decides() {
    let check = |rules: &str, text: &str, expected: Option<Cause>| {
        assert_eq!(
            filter(rules).excludes(&row(text)),
            expected,
            "{rules} {text}"
        );
    };
    check("", "select 1", None);
    let writes = "[[filter]]\naction = 'include'\nclass = 'WRITE'\n";
    check(writes, "update t set a = 1", None);
    check(writes, "select 1", Some(Cause::NoRule));
    let but = "[[filter]]\naction = 'exclude'\ntext = 'secret_table'\n";
    check(
        &format!("{but}{writes}"),
        "update secret_table set a = 1",
        Some(Cause::Rule(1)),
    );
    check(
        &format!("{writes}{but}"),
        "update secret_table set a = 1",
        None,
    );
    check(
        &format!("{writes}{but}"),
        "select * from secret_table",
        Some(Cause::Rule(2)),
    );
    check(but, "select 1", None);
}

#[test]
fn what_can_not_be_left_out() {
    let nothing = filter("[[filter]]\naction = 'exclude'\n");
    let only_mine = filter("[[filter]]\naction = 'include'\ndb_user = 'nobody'\n");
    for rules in [&nothing, &only_mine] {
        for kind in [
            Kind::Connect,
            Kind::Disconnect,
            Kind::AuthFailure,
            Kind::Loss,
            Kind::Lifecycle,
            Kind::Alert,
        ] {
            let mut event = row("select 1");
            event.kind = kind;
            assert_eq!(rules.excludes(&event), None, "{kind:?}");
        }
        for text in [
            "create role eve",
            "grant all on t to eve",
            "select 1; drop user eve; select 2",
            "set role admin",
            "/* */ alter user a password '***'",
        ] {
            assert_eq!(rules.excludes(&row(text)), None, "{text}");
        }
        let mut change = row("");
        change.command = "COM_CHANGE_USER";
        change.text = None;
        assert_eq!(rules.excludes(&change), None);
        assert!(rules.excludes(&row("create table roles (a int)")).is_some());
    }
}
