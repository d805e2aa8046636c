//! PostgreSQL: both protocols, failures, logins.

use capture_common::{
    ids::flag,
    record::{NO_COUNT, outcome},
};

use super::script::{BOOT_US, Script, events, packed};

#[test]
fn simple_protocol() {
    Script::postgres(7)
        .simple("select 1")
        .done("SELECT", 1)
        .gives(&["1 simple ok 'select 1' sent=1"]);
    let mut script = Script::postgres(7);
    script
        .simple("update t set a = 1")
        .done("UPDATE", 3)
        .simple("begin")
        .done("BEGIN", 0);
    script.gives(&[
        "1 simple ok 'update t set a = 1' changed=3",
        "2 simple ok 'begin'",
    ]);
}

#[test]
fn extended_protocol_has_one_statement_a_text() {
    // The text of a prepared statement; what follows the separator is not run.
    let text = "select $1; ";
    let mut script = Script::postgres(7);
    script
        .portal(text, None)
        .done("SELECT", 2)
        .portal(text, None)
        .fails("22012");
    script.gives(&[
        "1 execute ok 'select $1; ' sent=2",
        "2 execute error 'select $1; ' code=22012",
    ]);
}

#[test]
fn rows_go_where_the_tag_says() {
    let check = |text: &str, tag: &str, expected: &str| {
        Script::postgres(7)
            .simple(text)
            .done(tag, 4)
            .gives(&[&format!("1 simple ok '{text}'{expected}")]);
    };
    check("select 1", "SELECT", " sent=4");
    check("fetch all from c", "FETCH", " sent=4");
    check("insert into t values (1)", "INSERT", " changed=4");
    check("copy t to stdout", "COPY", " sent=4");
    check("copy (select 1) to stdout", "COPY", " sent=4");
    check("copy t from stdin", "COPY", " changed=4");
    check("begin", "BEGIN", "");
}

#[test]
fn finished_tag_of_version_12() {
    let check = |tag: &str, expected: &str| {
        let mut script = Script::postgres(7);
        script
            .simple("x")
            .end(tag, |_| {})
            .gives(&[&format!("1 simple ok 'x'{expected}")]);
    };
    check("UPDATE 7", " changed=7");
    check("INSERT 0 3", " changed=3");
    check("SELECT 2", " sent=2");
    check("CREATE TABLE", "");
    check("", "");
}

#[test]
fn tags_that_nobody_knows() {
    let mut script = Script::postgres(7);
    script
        .simple("x")
        .end("", |end| (end.tag, end.rows) = (5000, 1));
    script.gives(&["1 simple ok 'x'"]);
}

#[test]
fn a_failure_says_why() {
    let mut script = Script::postgres(7);
    script.simple("select 1/0").fails("22012");
    let event = &events(&script.records)[0];
    assert_eq!(event.sqlstate.as_deref(), Some("22012"));
    assert_eq!(event.error_message.as_deref(), Some("it failed"));
    script.gives(&["1 simple error 'select 1/0' code=22012"]);
}

#[test]
fn failures_before_a_statement_ran() {
    // A syntax error, with its text.
    let mut script = Script::postgres(7);
    script
        .call()
        .text(0, "selec 1", |_| {})
        .failure("syntax error", |end| end.code = packed("42601"));
    script.gives(&["1 message error 'selec 1' code=42601"]);
    // A message without a text, such as a malformed one.
    let mut script = Script::postgres(7);
    script
        .call()
        .failure("protocol violation", |end| end.code = packed("08P01"));
    script.gives(&["1 message error - code=08P01"]);
    // The text of what ran before is not that of the failure.
    let mut script = Script::postgres(7);
    script.simple("select 1").done("SELECT", 1);
    script
        .call()
        .failure("out of memory", |end| end.code = packed("53200"));
    script.gives(&[
        "1 simple ok 'select 1' sent=1",
        "2 message error - code=53200",
    ]);
}

#[test]
fn empty_statements() {
    let empty = |script: &mut Script| {
        script.failure("", |end| (end.outcome, end.source) = (outcome::EMPTY, 2));
    };
    let mut script = Script::postgres(7);
    empty(script.call().text(0, " ; -- nothing", |_| {}));
    empty(script.call().text(0, "", |_| {}));
    empty(script.call());
    script.gives(&[
        "1 simple ok ' ; -- nothing'",
        "2 simple ok ''",
        "3 simple ok ''",
    ]);
}

#[test]
fn failed_logins() {
    let check = |state: &str, flags: u16, expected: &str| {
        let mut script = Script::postgres(7);
        script.call().failure("no", |end| {
            (end.code, end.outcome, end.header.flags) = (packed(state), outcome::FATAL, flags);
        });
        script.gives(&[expected]);
    };
    check(
        "28P01",
        flag::LOGIN,
        "1 login error auth_failure - code=28P01",
    );
    check(
        "28000",
        flag::LOGIN,
        "1 login error auth_failure - code=28000",
    );
    check(
        "3D000",
        flag::LOGIN,
        "1 login error auth_failure - code=3D000",
    );
    check(
        "53300",
        flag::LOGIN,
        "1 login error auth_failure - code=53300",
    );
    // A session from before the recorder's time that is ended.
    check("57P01", flag::LOGIN, "1 message error - code=57P01");
    check("08006", flag::LOGIN, "1 message error - code=08006");
    check("28P01", 0, "1 message error - code=28P01");
}

#[test]
fn suspended_portals_end_with_what_comes_next() {
    let suspended = "1 execute ok 'fetch me' sent=2";
    let disconnect = "2 disconnect ok disconnect -";
    let mut next = Script::postgres(7);
    next.portal("fetch me", Some(2))
        .portal("fetch me", Some(2))
        .done("SELECT", 1);
    next.gives(&[suspended, "2 execute ok 'fetch me' sent=1"]);

    let mut failure = Script::postgres(7);
    failure
        .portal("fetch me", Some(2))
        .call()
        .text(0, "selec", |_| {});
    failure.failure("syntax error", |end| end.code = packed("42601"));
    failure.gives(&[suspended, "2 message error 'selec' code=42601"]);

    Script::postgres(7)
        .portal("fetch me", Some(2))
        .exit()
        .gives(&[suspended, disconnect]);
    Script::postgres(7)
        .portal("fetch me", Some(2))
        .next_session()
        .gives(&[suspended]);

    let mut whole = Script::postgres(7);
    whole.portal("fetch me", Some(2)).done("SELECT", 2).exit();
    whole.gives(&[suspended, disconnect]);
    let duration = |script: &Script| events(&script.records)[0].duration_us;
    assert_eq!((duration(&next), duration(&whole)), (None, Some(1000)));
}

#[test]
fn time_is_that_of_the_arrival() {
    let check = |statement_start: i64, time_us: i64, duration_us: i64| {
        let mut script = Script::postgres(0);
        script
            .begin(b"x", |begin| begin.statement_start = statement_start)
            .done("SELECT", 1);
        let event = &events(&script.records)[0];
        assert_eq!(
            (event.time_us - BOOT_US, event.duration_us),
            (time_us, Some(duration_us))
        );
    };
    // The record was made 1.002 s after boot, its end 1 ms later.
    check(0, 1_002_000, 1_000);
    check(1_001_500, 1_001_500, 1_500);
    // A server whose clock is ahead of ours.
    check(1_002_001, 1_002_000, 1_000);
}

#[test]
fn a_further_piece_starts_by_our_clock() {
    let mut script = Script::postgres(0);
    script.begin(b"a;b", |begin| {
        (begin.location, begin.length, begin.statement_start) = (0, 1, 5);
    });
    script.done("SELECT", 1).begin(b"", |begin| {
        begin.header.flags = flag::PIECE;
        (begin.location, begin.statement_start, begin.text_len) = (2, 5, NO_COUNT);
    });
    script.done("SELECT", 1);
    let times: Vec<i64> = events(&script.records)
        .iter()
        .map(|event| event.time_us - BOOT_US)
        .collect();
    assert_eq!(times, [5, 1_004_000]);
}

#[test]
fn a_row_is_of_who_began_it() {
    // The session's name changes while the statement runs; its failure brings the new name.
    let mut script = Script::postgres(7);
    script
        .simple("set role")
        .session("carol", "shop")
        .fails("22012")
        .simple("x")
        .done("SELECT", 1);
    let events = events(&script.records);
    let users: Vec<_> = events
        .iter()
        .map(|event| event.session.as_ref().unwrap().db_user.as_deref())
        .collect();
    assert_eq!(users, [Some("alice"), Some("carol")]);
}

#[test]
fn who_is_not_known_is_not_guessed() {
    let mut script = Script::postgres(7);
    script
        .session("bob", "shop")
        .lost()
        .simple("x")
        .done("SELECT", 1);
    let events = events(&script.records);
    let session = events[0].session.as_ref().unwrap();
    assert_eq!((session.db_user.as_deref(), session.server_pid), (None, 7));
    assert_eq!(session.session_id, "386d4380.7");
}
