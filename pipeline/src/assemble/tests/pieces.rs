//! Texts with several statements: the pieces joined are the text.

use capture_common::ids::flag;
use proptest::prelude::*;

use super::script::{ADDRESS, Script, events, packed};
use crate::flow::{Event, Status};

const NO_TABLE: (u32, [u8; 8]) = (1146, *b"42S02\0\0\0");

#[test]
fn postgres_up_to_17_counts_the_space_before() {
    let mut script = Script::postgres(7);
    script
        .first("select 1;\n select 2; select 3", 0, 8)
        .done("SELECT", 1);
    script
        .piece(9, 10)
        .done("SELECT", 2)
        .piece(20, 0)
        .done("SELECT", 3);
    script.gives(&[
        "1 simple ok 'select 1;\\n ' sent=1",
        "2<1 simple ok 'select 2; ' sent=2",
        "3<1 simple ok 'select 3' sent=3",
    ]);
}

#[test]
fn postgres_from_18_on_does_not() {
    let mut script = Script::postgres(7);
    script
        .first("  select 1;\n select 2; select 3;", 2, 8)
        .done("SELECT", 1);
    script
        .piece(13, 8)
        .done("SELECT", 2)
        .piece(23, 8)
        .done("SELECT", 3);
    script.gives(&[
        "1 simple ok '  select 1;\\n ' sent=1",
        "2<1 simple ok 'select 2; ' sent=2",
        "3<1 simple ok 'select 3;' sent=3",
    ]);
}

#[test]
fn comments_belong_to_what_follows_or_ends() {
    let mut script = Script::postgres(7);
    script
        .first("a; /* ; */ b; -- the end", 0, 1)
        .done("SELECT", 1)
        .piece(2, 10)
        .done("SELECT", 1);
    script.gives(&[
        "1 simple ok 'a; ' sent=1",
        "2<1 simple ok '/* ; */ b; -- the end' sent=1",
    ]);

    // MariaDB runs the comment at the end as a statement, too.
    let mut script = Script::mariadb(7);
    script
        .query("a; /* ; */ b; -- the end")
        .ends(0, 1)
        .ends(3, 9)
        .ends(14, 10)
        .query("c")
        .ends(0, 1);
    script.gives(&[
        "1 COM_QUERY ok 'a; ' sent=1",
        "2<1 COM_QUERY ok '/* ; */ b; -- the end' sent=1",
        "3 COM_QUERY ok 'c' sent=1",
    ]);
    Script::mariadb(7)
        .query("-- nothing")
        .ends(0, 10)
        .gives(&["1 COM_QUERY ok '-- nothing' sent=1"]);
}

#[test]
fn a_failing_piece_carries_the_rest() {
    let mut script = Script::postgres(7);
    script
        .first("a; b; c", 0, 1)
        .done("SELECT", 1)
        .piece(2, 2)
        .fails("22012")
        .simple("d")
        .done("SELECT", 1);
    script.gives(&[
        "1 simple ok 'a; ' sent=1",
        "2<1 simple error 'b; c' code=22012",
        "3 simple ok 'd' sent=1",
    ]);

    // It failed before it ran.
    let mut script = Script::postgres(7);
    script
        .first("a; b; c", 0, 1)
        .done("SELECT", 1)
        .call()
        .failure("no table", |end| {
            (end.header.flags, end.source, end.code) = (flag::PIECE, 2, packed("42P01"));
        });
    script.gives(&[
        "1 simple ok 'a; ' sent=1",
        "2<1 simple error 'b; c' code=42P01",
    ]);

    let (number, state) = NO_TABLE;
    let mut script = Script::mariadb(7);
    script
        .query("a; b; c")
        .ends(0, 1)
        .errors(number, state)
        .query("d")
        .ends(0, 1);
    script.gives(&[
        "1 COM_QUERY ok 'a; ' sent=1",
        "2<1 COM_QUERY error 'b; c' code=1146",
        "3 COM_QUERY ok 'd' sent=1",
    ]);
}

#[test]
fn mariadb_tells_each_piece_by_its_address() {
    let mut script = Script::mariadb(7);
    script
        .query("  select 1; select 2;\n\tselect 3;")
        .ends(0, 8)
        .ends(10, 8)
        .ends(21, 8);
    script.gives(&[
        "1 COM_QUERY ok '  select 1; ' sent=1",
        "2<1 COM_QUERY ok 'select 2;\\n\\t' sent=1",
        "3<1 COM_QUERY ok 'select 3;' sent=1",
    ]);
    let starts: Vec<i64> = events(&script.records)
        .iter()
        .map(|event| event.time_us)
        .collect();
    assert_eq!((starts[1] - starts[0], starts[2] - starts[1]), (1000, 1000));
}

#[test]
fn a_piece_whose_end_was_lost() {
    let mut script = Script::mariadb(7);
    script
        .query("a; bb; c")
        .ends(0, 1)
        .ends(3, 2)
        .lost()
        .ends(7, 1);
    script.gives(&[
        "1 COM_QUERY ok 'a; ' sent=1",
        "2<1 COM_QUERY unknown 'bb; '",
        "3<1 COM_QUERY ok 'c' sent=1",
    ]);
    // The last one.
    let mut script = Script::mariadb(7);
    script.query("a; bb").ends(0, 1).query("c").ends(0, 1);
    script.gives(&[
        "1 COM_QUERY ok 'a; ' sent=1",
        "2<1 COM_QUERY unknown 'bb'",
        "3 COM_QUERY ok 'c' sent=1",
    ]);
}

#[test]
fn addresses_that_are_elsewhere() {
    // Before the text, behind it, and none at all: the text itself says where the next piece ends.
    for address in [1, ADDRESS - 1, ADDRESS + 100, 0, u64::MAX] {
        let mut script = Script::mariadb(7);
        script
            .query("a; b; c")
            .ends(0, 1)
            .end("", |end| (end.piece_address, end.piece_len) = (address, 9));
        script.ends(6, 1);
        script.gives(&[
            "1 COM_QUERY ok 'a; ' sent=1",
            "2<1 COM_QUERY ok 'b; '",
            "3<1 COM_QUERY ok 'c' sent=1",
        ]);
    }
}

#[test]
fn pieces_beyond_what_is_recorded() {
    let cut = |script: &mut Script, len: u64| {
        script.records.pop();
        script.begin(b"select", |begin| {
            begin.header.flags = flag::LAST | flag::CUT;
            (begin.text_len, begin.command) = (len, 3);
        });
    };
    let mut script = Script::mariadb(7);
    cut(script.query(""), 18);
    script.ends(0, 8).ends(10, 8);
    script.gives(&[
        "1 COM_QUERY ok 'select'..8 sent=1",
        "2<1 COM_QUERY ok ''..10 sent=1",
    ]);

    // One that begins on record.
    let mut script = Script::mariadb(7);
    script.begin(b"a; select", |begin| {
        begin.header.flags = flag::LAST | flag::CUT;
        (begin.text_len, begin.command) = (20, 3);
    });
    script.ends(0, 1).ends(3, 8).ends(13, 7);
    script.gives(&[
        "1 COM_QUERY ok 'a; ' sent=1",
        "2<1 COM_QUERY ok 'select'..8 sent=1",
        "3<1 COM_QUERY ok ''..9 sent=1",
    ]);

    let mut script = Script::postgres(7);
    script.begin(b"select", |begin| {
        begin.header.flags = flag::LAST | flag::CUT;
        (begin.text_len, begin.location, begin.length) = (18, 0, 8);
    });
    script.done("SELECT", 1).piece(9, 0).done("SELECT", 1);
    script.gives(&[
        "1 simple ok 'select'..8 sent=1",
        "2<1 simple ok ''..10 sent=1",
    ]);
}

/// A statement that no lexer takes for two, and that is not the word `execute`.
fn statement() -> impl Strategy<Value = String> {
    const WORDS: [&str; 11] = [
        "select",
        "'a;b'",
        "\"x;\"",
        "/* ; */ t",
        "(1)",
        "é",
        "'it''s'",
        "b",
        "\n",
        "$1",
        "-1",
    ];
    prop::collection::vec(prop::sample::select(&WORDS[..]), 1..5)
        .prop_map(|words| format!("do {}", words.join(" ")))
}

fn separator() -> impl Strategy<Value = &'static str> {
    prop::sample::select(&[";", "; ", ";\n\t", ";;", "; ; ", ";/* c; */", "; -- c;\n"][..])
}

/// A text, and where in it each statement stands.
fn text() -> impl Strategy<Value = (String, Vec<(usize, usize)>)> {
    let pieces = prop::collection::vec((statement(), separator()), 1..6);
    (pieces, any::<bool>(), 0..3_usize).prop_map(|(pieces, ended, spaces)| {
        let mut text = " ".repeat(spaces);
        let mut places = Vec::new();
        for (statement, separator) in &pieces {
            places.push((text.len(), statement.len()));
            text += statement;
            text += separator;
        }
        if !ended {
            let (start, len) = places[places.len() - 1];
            text.truncate(start + len);
        }
        (text, places)
    })
}

fn check(text: &str, places: &[(usize, usize)], events: &[Event]) -> Result<(), TestCaseError> {
    let pieces: Vec<&[u8]> = events
        .iter()
        .map(|event| &event.text.as_ref().unwrap().bytes[..])
        .collect();
    prop_assert_eq!(String::from_utf8(pieces.concat()).unwrap(), text);
    prop_assert_eq!(pieces.len(), places.len());
    for ((piece, (start, len)), event) in pieces.iter().zip(places).zip(events) {
        let statement = &text.as_bytes()[*start..start + len];
        prop_assert!(piece.windows(*len).any(|window| window == statement));
        prop_assert_eq!((event.message_seq, event.status), (1, Status::Ok));
        prop_assert!(!event.text.as_ref().unwrap().truncated);
    }
    Ok(())
}

proptest! {
    #[test]
    fn pieces_of_postgres_joined_are_the_text((text, places) in text(), skips_space: bool) {
        let mut script = Script::postgres(7);
        let mut behind = 0;
        for (place, (start, len)) in places.iter().enumerate() {
            // Up to 17 a statement starts right behind the separator of the last one.
            let location = if skips_space || place == 0 { *start } else { behind };
            let location = if place == 0 && !skips_space { 0 } else { location };
            behind = start + len + 1;
            let length = if behind > text.len() { 0 } else { start + len - location };
            let (location, length) = (i32::try_from(location).unwrap(), i32::try_from(length).unwrap());
            if place == 0 {
                script.first(&text, location, length);
            } else {
                script.piece(location, length);
            }
            script.done("SELECT", 1);
        }
        check(&text, &places, &events(&script.records))?;
    }

    #[test]
    fn pieces_of_mariadb_joined_are_the_text((text, places) in text()) {
        let mut script = Script::mariadb(7);
        script.query(&text);
        for (start, len) in &places {
            script.ends(*start - places[0].0, *len);
        }
        check(&text, &places, &events(&script.records))?;
    }

    #[test]
    fn nothing_of_a_text_is_lost_with_ends((text, places) in text(), kept: [bool; 6]) {
        let mut script = Script::mariadb(7);
        script.query(&text);
        for ((start, len), kept) in places.iter().zip(kept) {
            script.ends(*start - places[0].0, *len);
            if !kept {
                script.lost();
            }
        }
        script.exit();
        let events = events(&script.records);
        let joined: Vec<u8> = events.iter().flat_map(|event| event.text.clone().unwrap().bytes).collect();
        prop_assert_eq!(String::from_utf8(joined).unwrap(), text);
    }
}
