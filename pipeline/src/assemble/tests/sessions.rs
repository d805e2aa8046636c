//! Logins and ends of sessions.

use capture_common::{ids::flag, record::outcome};

use super::script::{Script, events, packed};
use crate::flow::Kind;

/// Kind and duration in milliseconds of each row.
fn kinds(script: &Script) -> Vec<(Kind, Option<i64>)> {
    let show = |event: &crate::flow::Event| (event.kind, event.duration_us.map(|us| us / 1000));
    events(&script.records).iter().map(show).collect()
}

#[test]
fn a_session_is_a_row_at_both_ends() {
    let mut postgres = Script::postgres(7);
    postgres
        .connect()
        .simple("select 1")
        .done("SELECT", 1)
        .exit();
    let mut mariadb = Script::mariadb(7);
    mariadb.connect().query("select 1").ends(0, 8).disconnect();
    for script in [&postgres, &mariadb] {
        assert_eq!(
            kinds(script),
            [
                (Kind::Connect, None),
                (Kind::Query, Some(1)),
                (Kind::Disconnect, Some(3)),
            ]
        );
    }
}

#[test]
fn a_session_from_before_has_an_end_without_a_duration() {
    let mut script = Script::postgres(7);
    script.simple("select 1").done("SELECT", 1).exit();
    assert_eq!(
        kinds(&script),
        [(Kind::Query, Some(1)), (Kind::Disconnect, None)]
    );
}

#[test]
fn a_refused_login_is_no_session() {
    let mut script = Script::postgres(7);
    script
        .failure("no", |end| {
            end.header.flags |= flag::LOGIN;
            end.outcome = outcome::FATAL;
            end.code = packed("28P01");
        })
        .exit();
    assert_eq!(kinds(&script), [(Kind::AuthFailure, None)]);
}

#[test]
fn a_killed_backend_leaves_its_statement_unknown_and_its_session_ended() {
    let mut script = Script::postgres(7);
    script.connect().simple("select pg_sleep(9)").exit();
    assert_eq!(
        kinds(&script),
        [
            (Kind::Connect, None),
            (Kind::Query, None),
            (Kind::Disconnect, Some(2)),
        ]
    );
}

#[test]
fn a_thread_that_serves_on_ends_no_session() {
    let mut script = Script::mariadb(7);
    script.connect().disconnect().exit();
    assert_eq!(
        kinds(&script),
        [(Kind::Connect, None), (Kind::Disconnect, Some(1))]
    );
}
