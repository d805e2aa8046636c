//! What comes of records when others are lost.

use capture_common::{ids::flag, record::NO_COUNT};

use super::script::{QUERY, Script, packed};

#[test]
fn an_end_whose_beginning_was_lost() {
    let mut script = Script::postgres(7);
    script
        .simple("a")
        .lost()
        .done("SELECT", 1)
        .simple("b")
        .done("SELECT", 1);
    script.gives(&["1 simple ok 'b' sent=1"]);
    // It is not taken for the end of what began before.
    let mut script = Script::postgres(7);
    script.simple("a").simple("b").lost().done("SELECT", 1);
    script.gives(&["1 simple unknown 'a'"]);
}

#[test]
fn a_beginning_whose_end_was_lost() {
    let mut script = Script::postgres(7);
    script
        .simple("a")
        .done("SELECT", 1)
        .lost()
        .simple("b")
        .done("SELECT", 1);
    script.gives(&["1 simple unknown 'a'", "2 simple ok 'b' sent=1"]);

    let mut script = Script::mariadb(7);
    script
        .query("a")
        .ends(0, 1)
        .lost()
        .command_end()
        .query("b")
        .ends(0, 1);
    script.gives(&["1 COM_QUERY unknown 'a'", "2 COM_QUERY ok 'b' sent=1"]);
}

#[test]
fn a_failure_after_a_lost_end_has_its_own_text() {
    let mut script = Script::postgres(7);
    script.simple("a").done("SELECT", 1).lost();
    script
        .call()
        .text(0, "selec", |_| {})
        .failure("syntax error", |end| end.code = packed("42601"));
    script.gives(&["1 simple unknown 'a'", "2 message error 'selec' code=42601"]);
}

#[test]
fn a_lost_first_piece_of_postgres() {
    // The kernel half brings the text again with the next piece that it can record.
    let mut script = Script::postgres(7);
    script
        .first("a; b; c", 0, 1)
        .lost()
        .done("SELECT", 1)
        .lost();
    script
        .first("a; b; c", 2, 2)
        .done("SELECT", 1)
        .piece(5, 0)
        .done("SELECT", 1);
    script.gives(&["1 simple ok ' b; ' sent=1", "2<1 simple ok 'c' sent=1"]);
    // Comments before the first statement are its own, wherever the server says it starts.
    let mut script = Script::postgres(7);
    script.first("/* c */ a", 8, 0).done("SELECT", 1);
    script.gives(&["1 simple ok '/* c */ a' sent=1"]);
}

#[test]
fn a_piece_whose_text_was_lost() {
    let mut script = Script::postgres(7);
    script
        .first("a; b", 0, 1)
        .lost()
        .done("SELECT", 1)
        .piece(2, 0)
        .done("SELECT", 1);
    script.gives(&["1 simple ok - sent=1"]);
}

/// A beginning whose text goes on in further records.
fn begun(script: &mut Script, text: &str, len: u64) {
    script.begin(text.as_bytes(), |begin| {
        begin.header.flags = flag::MORE;
        begin.text_len = len;
    });
}

#[test]
fn a_text_in_several_records() {
    let mut script = Script::postgres(7);
    begun(&mut script, "abc", NO_COUNT);
    script.text(3, "def", |text| {
        (text.header.flags, text.text_len) = (flag::MORE, NO_COUNT);
    });
    script.text(6, "g", |_| {}).done("SELECT", 1);
    script.gives(&["1 simple ok 'abcdefg' sent=1"]);
}

#[test]
fn a_text_with_a_lost_record() {
    // In the middle: what is behind it is left out.
    let mut script = Script::postgres(7);
    begun(&mut script, "abc", NO_COUNT);
    script.text(6, "ghi", |_| {}).done("SELECT", 1);
    script.gives(&["1 simple ok 'abc'..9 sent=1"]);
    // At the end, whose length is not known then.
    let mut script = Script::postgres(7);
    begun(&mut script, "abc", NO_COUNT);
    script.done("SELECT", 1);
    script.gives(&["1 simple ok 'abc'..3 sent=1"]);
    let mut script = Script::postgres(7);
    begun(&mut script, "abc; ", NO_COUNT);
    script.lost().first("abc; ", 0, 3);
    script.records.pop();
    script.begin(b"ab", |begin| {
        begin.header.flags = flag::MORE;
        (begin.text_len, begin.location, begin.length) = (NO_COUNT, 0, 3);
    });
    script.done("SELECT", 1).piece(5, 0).done("SELECT", 1);
    script.gives(&["1 simple ok 'ab'..3 sent=1", "2<1 simple ok ''..0 sent=1"]);
}

#[test]
fn a_cut_text_has_its_true_length() {
    let mut script = Script::mariadb(7);
    script.begin(b"select", |begin| {
        begin.header.flags = flag::LAST | flag::CUT;
        (begin.text_len, begin.command) = (300_000, QUERY);
    });
    script.ends(0, 300_000);
    script.gives(&["1 COM_QUERY ok 'select'..300000 sent=1"]);
}

#[test]
fn an_unreadable_text() {
    let mut script = Script::mariadb(7);
    script.begin(b"", |begin| {
        begin.header.flags = flag::LAST | flag::UNREADABLE;
        (begin.text_len, begin.command) = (20, QUERY);
    });
    script.ends(0, 20);
    script.gives(&["1 COM_QUERY ok ''..20 sent=1"]);

    let mut script = Script::postgres(7);
    script.begin(b"", |begin| {
        begin.header.flags = flag::LAST | flag::UNREADABLE;
        begin.text_len = NO_COUNT;
    });
    script.done("SELECT", 1);
    script.gives(&["1 simple ok ''..0 sent=1"]);
}

#[test]
fn sessions_that_end_while_a_statement_runs() {
    Script::postgres(7)
        .simple("a")
        .exit()
        .gives(&["1 simple unknown 'a'", "2 disconnect ok disconnect -"]);
    Script::mariadb(7)
        .query("a; b")
        .ends(0, 1)
        .exit()
        .gives(&["1 COM_QUERY ok 'a; ' sent=1", "2<1 COM_QUERY unknown 'b'"]);
    let mut script = Script::mariadb(7);
    script.query("a").next_session().query("b").ends(0, 1);
    script.gives(&["1 COM_QUERY unknown 'a'", "2 COM_QUERY ok 'b' sent=1"]);
}

#[test]
fn what_runs_at_the_end_is_running() {
    Script::postgres(7)
        .simple("a")
        .gives(&["1 simple running 'a'"]);
    Script::mariadb(7)
        .query("a; b")
        .ends(0, 1)
        .gives(&["1 COM_QUERY ok 'a; ' sent=1", "2<1 COM_QUERY running 'b'"]);
    Script::mariadb(7)
        .query("a; b")
        .ends(0, 1)
        .ends(3, 1)
        .gives(&["1 COM_QUERY ok 'a; ' sent=1", "2<1 COM_QUERY ok 'b' sent=1"]);
}

#[test]
fn records_of_a_server_that_nobody_named() {
    let mut script = Script::postgres(7);
    script
        .simple("a")
        .done("SELECT", 1)
        .call()
        .failure("x", |_| {});
    for record in &mut script.records {
        // `Header::target`, of no known server.
        record[4..8].copy_from_slice(&63_u32.to_ne_bytes());
    }
    assert_eq!(script.rows().len(), 1);
}
