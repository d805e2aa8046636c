//! Threads side by side, and records that no thread would make.

use capture_common::{
    ids::kind,
    record::{Begin, End, Header, NAME_MAX, NAMES, NO_COUNT, Session, Text},
};
use proptest::prelude::*;

use super::script::{
    EXECUTE, INIT_DB, MARIADB, POSTGRES, PREPARE, Script, assembler, events, rows,
};
use crate::{
    decode::{Record, decode},
    flow::Event,
};

/// One thing that a client does.
#[derive(Debug, Clone, Copy)]
enum Step {
    Whole,
    Pieces,
    Fails,
    Suspends,
    LosesEnd,
    Executes,
    Changes,
}

fn play(script: &mut Script, postgres: bool, number: usize, step: Step) {
    let text = format!("statement {number}");
    let both = format!("{text}; b");
    let first = text.len();
    match (step, postgres) {
        (Step::Whole, true) => _ = script.simple(&text).done("SELECT", 1),
        (Step::Whole, false) => _ = script.query(&text).ends(0, first),
        (Step::Pieces, true) => {
            let len = i32::try_from(first).unwrap();
            script
                .first(&both, 0, len)
                .done("SELECT", 1)
                .piece(len + 1, 0)
                .done("INSERT", 2);
        }
        (Step::Pieces, false) => _ = script.query(&both).ends(0, first).ends(first + 2, 1),
        (Step::Fails, true) => _ = script.simple(&both).fails("22012"),
        (Step::Fails, false) => _ = script.query(&both).errors(1146, [b'1'; 8]),
        (Step::Suspends, true) => _ = script.portal(&text, Some(3)),
        (Step::Suspends, false) => _ = script.command(INIT_DB, &text).command_end(),
        (Step::LosesEnd, true) => _ = script.simple(&text).done("SELECT", 1).lost(),
        (Step::LosesEnd, false) => _ = script.query(&text).ends(0, first).lost(),
        (Step::Executes, true) => _ = script.portal(&text, None).done("UPDATE", 4),
        (Step::Executes, false) => {
            script
                .command(PREPARE, &text)
                .command(EXECUTE, "")
                .text(0, &text, |_| {})
                .within(900);
        }
        (Step::Changes, _) => _ = script.session("carol", &text),
    }
}

fn step() -> impl Strategy<Value = Step> {
    prop::sample::select(
        &[
            Step::Whole,
            Step::Pieces,
            Step::Fails,
            Step::Suspends,
            Step::LosesEnd,
            Step::Executes,
            Step::Changes,
        ][..],
    )
}

/// Threads of both engines, and an order in which their records come.
fn threads() -> impl Strategy<Value = (Vec<Script>, Vec<usize>)> {
    let scripts = prop::collection::vec((any::<bool>(), prop::collection::vec(step(), 0..6)), 1..6);
    scripts
        .prop_map(|threads| {
            let script = |(thread, (postgres, steps)): (u32, (bool, Vec<Step>))| {
                let mut script = if postgres {
                    Script::postgres(thread)
                } else {
                    Script::mariadb(thread)
                };
                for (number, step) in steps.into_iter().enumerate() {
                    play(&mut script, postgres, number, step);
                }
                script
            };
            (1..).zip(threads).map(script).collect::<Vec<_>>()
        })
        .prop_flat_map(|scripts| {
            let order: Vec<usize> = scripts
                .iter()
                .enumerate()
                .flat_map(|(place, script)| vec![place; script.records.len()])
                .collect();
            (Just(scripts), Just(order).prop_shuffle())
        })
}

/// An event without its numbers; those of its message count from its own.
fn unnumbered(event: &Event) -> Event {
    let mut event = event.clone();
    event.message_seq -= event.seq;
    event.seq = 0;
    event
}

/// Which rows of a thread belong together.
fn messages(events: &[&Event]) -> Vec<usize> {
    let first = |event: &&Event| {
        events
            .iter()
            .position(|other| other.message_seq == event.message_seq)
    };
    events.iter().map(|event| first(event).unwrap()).collect()
}

proptest! {
    #[test]
    fn threads_never_mix((scripts, order) in threads()) {
        let mut left: Vec<_> = scripts.iter().map(|script| script.records.iter()).collect();
        let records: Vec<Vec<u8>> = order.iter().map(|place| left[*place].next().unwrap().clone()).collect();
        let together = events(&records);
        for script in &scripts {
            let alone = events(&script.records);
            let of_thread = |event: &&Event| {
                let own = alone.first().and_then(|event| event.session.as_ref());
                event.session.as_ref().map(|session| &session.session_id) == own.map(|session| &session.session_id)
            };
            if alone.is_empty() {
                continue;
            }
            let mixed: Vec<&Event> = together.iter().filter(of_thread).collect();
            prop_assert_eq!(messages(&mixed), messages(&alone.iter().collect::<Vec<_>>()));
            let contents = |event: &Event| {
                let mut event = unnumbered(event);
                event.message_seq = 0;
                event
            };
            let mixed: Vec<Event> = mixed.into_iter().map(contents).collect();
            let alone: Vec<Event> = alone.iter().map(contents).collect();
            prop_assert_eq!(mixed, alone);
        }
    }
}

#[test]
fn the_end_is_in_order_of_the_beginnings() {
    let mut records = Vec::new();
    let mut expected = Vec::new();
    for thread in 1..40 {
        let script = Script::postgres(thread).simple(&thread.to_string()).clone();
        records.extend(script.records);
        expected.push(format!("{thread} simple running '{thread}'"));
    }
    assert_eq!(rows(&records), expected);
}

/// Small numbers, so that they meet; now and then any number.
fn number() -> impl Strategy<Value = u64> {
    prop_oneof![8 => 0..12_u64, 1 => Just(NO_COUNT), 1 => any::<u64>()]
}

fn number32() -> impl Strategy<Value = u32> {
    prop_oneof![8 => 0..12_u32, 1 => Just(u32::MAX), 1 => any::<u32>()]
}

prop_compose! {
    fn header()(
        kind in prop::sample::select(vec![
            kind::SESSION, kind::BEGIN, kind::BEGIN, kind::TEXT, kind::TEXT, kind::END, kind::END,
            kind::FAILURE, kind::SESSION_END, kind::COMMAND_END,
        ]),
        flags in 0..128_u16,
        target in prop::sample::select(vec![POSTGRES, POSTGRES, MARIADB, MARIADB, 9]),
        (pid_tgid, session, call) in (0..3_u64, 0..2_u64, 0..4_u64),
        (time_ns, generation) in (number(), 0..3_u32),
    ) -> Header {
        Header { kind, flags, target, pid_tgid, session, time_ns, call, generation, data_len: 0 }
    }
}

fn data() -> impl Strategy<Value = Vec<u8>> {
    const WORDS: [&str; 9] = [
        "",
        " ",
        ";",
        "a; b",
        "execute s",
        "execute immediate 'x'; ",
        "select 'x;y'",
        "\n;; c",
        "--",
    ];
    prop_oneof![
        4 => prop::sample::select(&WORDS[..]).prop_map(|word| word.as_bytes().to_vec()),
        1 => prop::collection::vec(any::<u8>(), 0..20),
    ]
}

prop_compose! {
    /// Any record of any kind, as bytes.
    fn record()(
        mut header in header(),
        data in data(),
        a in number(), b in number(), c in number(), d in number(), e in number(),
        f in number32(), g in number32(), h in number32(), i in number32(),
        signed in any::<[i8; 2]>(),
    ) -> Vec<u8> {
        let slots = NAMES * NAME_MAX;
        let len = if header.kind == kind::SESSION { slots } else { data.len() };
        header.data_len = u32::try_from(len).unwrap();
        let [location, length] = signed.map(i32::from);
        let end = End {
            header, outcome: f, code: g, sqlstate: [b'0'; 8], rows: a, rows_sent: b, tag: h, source: i % 4,
            piece_address: c, piece_len: d, message_call: e, statement_start: location.into(),
        };
        let begin = Begin {
            header, text_len: a, statement_start: length.into(), row_limit: b, portal: c, message_call: d,
            command: if f % 3 == 0 { EXECUTE } else { f % 4 }, location, length, prepared_id: g,
        };
        let text = Text { header, offset: a, text_len: b };
        let record = match header.kind {
            kind::SESSION => Record::Session(
                Session { header, remote: [u8::try_from(f % 256).unwrap(); 32], peer_port: g, lengths: [u32::MAX; NAMES] },
                [None; NAMES],
            ),
            kind::BEGIN => Record::Begin(begin, &data),
            kind::TEXT => Record::Text(text, &data),
            kind::END => Record::End(end, &data),
            kind::FAILURE => Record::Failure(end, &data),
            kind::SESSION_END => Record::SessionEnd(header),
            kind::CONNECT => Record::Connect(header),
            kind::DISCONNECT => Record::Disconnect(header),
            _ => Record::CommandEnd(header),
        };
        let mut bytes = Vec::new();
        record.encode(&mut bytes);
        bytes
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn any_records_give_rows_numbered_without_gaps(records in prop::collection::vec(record(), 0..40)) {
        let mut assembler = assembler();
        let mut out = Vec::new();
        for bytes in &records {
            assembler.record(&decode(bytes).unwrap(), &mut out);
        }
        assembler.finish(&mut out);
        for (event, seq) in out.iter().zip(1..) {
            prop_assert_eq!(event.seq, seq);
            prop_assert!(event.message_seq >= 1 && event.message_seq <= event.seq);
            if let Some(text) = &event.text {
                prop_assert!(text.bytes.len() as u64 <= text.len);
                prop_assert!(text.truncated || text.bytes.len() as u64 == text.len);
            }
        }
        prop_assert_eq!(assembler.take_seq(), i64::try_from(out.len()).unwrap() + 1);
    }
}
