//! Logins and ends of sessions.

use capture_common::{ids::flag, record::outcome};

use super::script::{Script, assembler, events, packed};
use crate::{
    decode::decode,
    flow::{Event, Kind, Status},
};

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

/// What the script's server was doing when its process, `ended`, was found to be no more; told to another
/// assembler, which goes on from the notes, too.
fn ended(script: &Script, ended: u64) -> Vec<Event> {
    let mut first = assembler();
    let mut events = Vec::new();
    for bytes in &script.records {
        first.record(&decode(bytes).unwrap(), &mut events);
    }
    let mut second = assembler();
    for (id, state) in first.changed().unwrap() {
        if let Some(state) = state {
            second.restore(id, &state).unwrap();
        }
    }
    let (mut of_first, mut of_second) = (Vec::new(), Vec::new());
    first.ended(|process| process == ended, 9_000_000_000_000, &mut of_first);
    second.ended(
        |process| process == ended,
        9_000_000_000_000,
        &mut of_second,
    );
    let bare = |event: &Event| {
        (
            event.kind,
            event.status,
            event.time_us,
            event.error_message.clone(),
        )
    };
    assert!(of_first.iter().map(bare).eq(of_second.iter().map(bare)));
    of_first
}

#[test]
fn sessions_end_with_their_server() {
    let mut script = Script::mariadb(7);
    script.connect().query("select sleep(9)");
    let process = decode(&script.records[0]).unwrap().header().pid_tgid >> 32;
    // Whether or not the kernel told of the thread's end.
    for exits in [false, true] {
        if exits {
            script.exit();
        }
        assert!(ended(&script, process + 1).is_empty());
        let rows = ended(&script, process);
        let Some(gone) = rows.last() else {
            panic!("no row");
        };
        assert_eq!((gone.kind, gone.status), (Kind::Disconnect, Status::Error));
        assert_eq!(
            gone.error_message.as_deref(),
            Some("the server's process ended")
        );
        assert_eq!(gone.time_us == 9_000_000_000_000, !exits);
        assert_eq!(
            rows.len(),
            if exits { 1 } else { 2 },
            "the statement's row came with the thread's end"
        );
    }
}

#[test]
fn a_session_that_another_thread_goes_on_with_does_not_end_with_the_first() {
    let mut script = Script::mariadb(7);
    script.connect().exit().on_thread(8);
    script.query("select 1").ends(0, 8).disconnect();
    let process = decode(&script.records[0]).unwrap().header().pid_tgid >> 32;
    let mut assembler = assembler();
    let mut events = Vec::new();
    for bytes in &script.records {
        assembler.record(&decode(bytes).unwrap(), &mut events);
    }
    let kinds: Vec<Kind> = events.iter().map(|event| event.kind).collect();
    assert_eq!(kinds, [Kind::Connect, Kind::Query, Kind::Disconnect]);
    assembler.ended(|ended| ended == process, 1, &mut events);
    assert_eq!(events.len(), kinds.len());
}

#[test]
fn a_backend_is_told_of_by_itself() {
    let mut script = Script::postgres(7);
    script.connect().simple("select 1").done("SELECT", 1);
    assert!(ended(&script, 7).is_empty());
}
