//! MariaDB: commands, statements within statements, logins.

use capture_common::{
    ids::flag,
    record::{NO_COUNT, outcome},
};

use super::script::{EXECUTE, INIT_DB, PREPARE, QUERY, Script, events};

const NO_TABLE: (u32, [u8; 8]) = (1146, *b"42S02\0\0\0");

#[test]
fn one_statement() {
    let mut script = Script::mariadb(7);
    script
        .query("select 1")
        .ends(0, 8)
        .query("delete from t")
        .end("", |end| {
            (end.piece_address, end.piece_len, end.rows) = (9, 13, 4);
        });
    script.gives(&[
        "1 COM_QUERY ok 'select 1' sent=1",
        "2 COM_QUERY ok 'delete from t' changed=4",
    ]);
}

#[test]
fn white_space_around_is_the_clients() {
    // The server leaves it out before it counts.
    let mut script = Script::mariadb(7);
    script.query(" \t\r\n\x0b\x0cselect 1 ").ends(0, 8);
    script.gives(&["1 COM_QUERY ok ' \\t\\r\\n\\x0b\\x0cselect 1 ' sent=1"]);
}

#[test]
fn failures() {
    let (number, state) = NO_TABLE;
    let mut script = Script::mariadb(7);
    script
        .query("select * from gone")
        .errors(number, state)
        .query("")
        .errors(1065, *b"42000\0\0\0");
    script.gives(&[
        "1 COM_QUERY error 'select * from gone' code=1146",
        "2 COM_QUERY error '' code=1065",
    ]);
    let events = events(&script.records);
    assert_eq!(events[0].sqlstate.as_deref(), Some("42S02"));
    assert_eq!(events[0].error_message.as_deref(), Some("it failed"));
}

#[test]
fn outcomes_without_rows() {
    let mut script = Script::mariadb(7);
    script.query("do 1").end("", |end| {
        (end.outcome, end.rows) = (outcome::NONE, NO_COUNT);
    });
    script
        .query("set @a = 1")
        .end("", |end| end.rows = NO_COUNT);
    script.gives(&["1 COM_QUERY ok 'do 1'", "2 COM_QUERY ok 'set @a = 1'"]);
}

#[test]
fn prepared_statements_bring_their_text_with_the_end() {
    let mut script = Script::mariadb(7);
    script
        .command(EXECUTE, "")
        .text(0, "select 1", |_| {})
        .within(900);
    script
        .command(EXECUTE, "")
        .text(0, "select 22", |_| {})
        .within(900)
        .command_end();
    script.gives(&[
        "1 COM_STMT_EXECUTE ok 'select 1' sent=5",
        "2 COM_STMT_EXECUTE ok 'select 22' sent=5",
    ]);
}

#[test]
fn a_prepared_call_has_the_outcome_nearest_to_the_command() {
    let mut script = Script::mariadb(7);
    script
        .command(EXECUTE, "")
        .text(0, "select 1", |_| {})
        .within(900);
    // From here on it is known how far away a command's own end is.
    script
        .command(EXECUTE, "")
        .text(0, "insert inner", |_| {})
        .within(2500);
    script.text(0, "call p()", |_| {}).within(900);
    script.gives(&[
        "1 COM_STMT_EXECUTE ok 'select 1' sent=5",
        "2 COM_STMT_EXECUTE ok 'call p()' sent=5",
    ]);
}

#[test]
fn preparing_is_no_statement_unless_it_fails() {
    let (number, state) = NO_TABLE;
    let mut script = Script::mariadb(7);
    script.command(PREPARE, "select ?").command_end();
    script
        .command(PREPARE, "select * from gone")
        .errors(number, state);
    script
        .command(PREPARE, "select ?")
        .command(EXECUTE, "")
        .text(0, "select 1", |_| {})
        .within(900);
    script.command(PREPARE, "select ?");
    script.gives(&[
        "1 COM_STMT_PREPARE error 'select * from gone' code=1146",
        "2 COM_STMT_EXECUTE ok 'select 1' sent=5",
    ]);
}

#[test]
fn commands_without_sql_end_with_what_comes_next() {
    let (number, state) = NO_TABLE;
    let mut script = Script::mariadb(7);
    script.command(INIT_DB, "shop").command_end();
    script
        .command(INIT_DB, "stock")
        .session("alice", "stock")
        .query("select 1")
        .ends(0, 8);
    script
        .command(INIT_DB, "gone")
        .errors(number, state)
        .command_end();
    script.command(31, "").exit();
    script.gives(&[
        "1 COM_INIT_DB ok 'shop'",
        "2 COM_INIT_DB ok 'stock'",
        "3 COM_QUERY ok 'select 1' sent=1",
        "4 COM_INIT_DB error 'gone' code=1146",
        "5 COM_RESET_CONNECTION ok -",
    ]);
    let database = |row: usize| {
        events(&script.records)[row]
            .session
            .clone()
            .unwrap()
            .db_namespace
            .clone()
    };
    assert_eq!(
        (database(1).as_deref(), database(2).as_deref()),
        (Some("shop"), Some("stock"))
    );
}

#[test]
fn failed_logins() {
    let mut script = Script::mariadb(7);
    script.call().failure("denied", |end| {
        (end.code, end.header.flags) = (1045, flag::LOGIN);
    });
    script.call().failure("gone away", |end| end.code = 1927);
    script.gives(&[
        "1 login error auth_failure - code=1045",
        "2 connection error - code=1927",
    ]);
}

/// What the server reports for each form of `EXECUTE` in a text; distances as MariaDB 10.11 has them.
#[test]
fn execute_in_a_text() {
    const BY_NAME: u32 = 5248;
    const IMMEDIATE: u32 = 5648;
    let one = |text: &str, ends: fn(&mut Script), expected: &[&str]| {
        let mut script = Script::mariadb(7);
        ends(script.query(text));
        script.gives(expected);
    };
    // By name: followed by the command's own report, unless it comes last.
    one(
        "execute s",
        |s| _ = s.within(BY_NAME),
        &["1 COM_QUERY ok 'execute s' sent=5"],
    );
    one(
        " /* x */ EXECUTE s; select 2 ",
        |s| _ = s.within(BY_NAME).ends(0x7000, 8).ends(21, 8),
        &[
            "1 COM_QUERY ok ' /* x */ EXECUTE s; ' sent=1",
            "2<1 COM_QUERY ok 'select 2 ' sent=1",
        ],
    );
    one(
        "select 1; execute s;",
        |s| _ = s.ends(0, 8).within(BY_NAME),
        &[
            "1 COM_QUERY ok 'select 1; ' sent=1",
            "2<1 COM_QUERY ok 'execute s;' sent=5",
        ],
    );
    one(
        "execute s; execute s",
        |s| _ = s.within(BY_NAME).ends(0x7000, 8).within(BY_NAME),
        &[
            "1 COM_QUERY ok 'execute s; ' sent=1",
            "2<1 COM_QUERY ok 'execute s' sent=5",
        ],
    );
    // At once: always followed by the command's own report.
    let text = "execute immediate 'select 5'";
    one(
        text,
        |s| _ = s.within(IMMEDIATE).ends(0, 28),
        &["1 COM_QUERY ok 'execute immediate \\'select 5\\'' sent=1"],
    );
    one(
        "execute/**/immediate 'x'; select 7",
        |s| _ = s.within(IMMEDIATE).ends(0, 24).ends(26, 8),
        &[
            "1 COM_QUERY ok 'execute/**/immediate \\'x\\'; ' sent=1",
            "2<1 COM_QUERY ok 'select 7' sent=1",
        ],
    );
    // A procedure that runs statements of its own.
    one(
        "call p()",
        |s| _ = s.within(9000).within(9000).ends(0, 8),
        &["1 COM_QUERY ok 'call p()' sent=1"],
    );
}

#[test]
fn execute_of_what_executes_has_the_nearest_outcome() {
    let mut script = Script::mariadb(7);
    script
        .query("execute s")
        .within(5248)
        .query("execute s")
        .within(9000)
        .within(5248);
    script.gives(&[
        "1 COM_QUERY ok 'execute s' sent=5",
        "2 COM_QUERY ok 'execute s' sent=5",
    ]);
}

#[test]
fn execute_that_fails_is_one_row() {
    let (number, state) = NO_TABLE;
    let mut script = Script::mariadb(7);
    script
        .query("select 1; execute s")
        .ends(0, 8)
        .within_fails(5248, number, state)
        .errors(number, state)
        .query("execute s")
        .within_fails(5248, number, state);
    script.gives(&[
        "1 COM_QUERY ok 'select 1; ' sent=1",
        "2<1 COM_QUERY error 'execute s' code=1146",
        "3 COM_QUERY error 'execute s' code=1146",
    ]);
}

#[test]
fn an_end_from_within_counts_when_no_other_comes() {
    let within = |stack: u32| {
        let mut script = Script::mariadb(7);
        script
            .query("execute s")
            .within(5248)
            .query("execute t")
            .within(stack);
        script
    };
    let expected = [
        "1 COM_QUERY ok 'execute s' sent=5",
        "2 COM_QUERY ok 'execute t' sent=5",
    ];
    within(9000).command_end().gives(&expected);
    within(9000).exit().gives(&expected);
    within(9000).gives(&expected);
    let mut next = within(9000);
    next.query("x").ends(0, 1);
    assert_eq!(next.rows()[..2], expected);
}

#[test]
fn nested_ends_do_not_outlive_a_failure() {
    let (number, state) = NO_TABLE;
    let mut script = Script::mariadb(7);
    script
        .query("call p()")
        .within(9000)
        .errors(number, state)
        .command_end();
    script.gives(&["1 COM_QUERY error 'call p()' code=1146"]);
}

#[test]
fn unknown_commands_have_a_name() {
    let mut script = Script::mariadb(7);
    script
        .command(199, "")
        .command_end()
        .command(QUERY, "x")
        .ends(0, 1);
    script.gives(&["1 COM_UNKNOWN ok -", "2 COM_QUERY ok 'x' sent=1"]);
}

/// MySQL reports some ends twice, and those of statements that MariaDB does not report.
#[test]
fn ends_that_are_no_further_rows() {
    let mut script = Script::mariadb(7);
    script
        .command(EXECUTE, "")
        .text(0, "select 1", |_| {})
        .within(900)
        .ends(0, 8);
    script.command(PREPARE, "select ?").ends(0, 8).command_end();
    script.gives(&["1 COM_STMT_EXECUTE ok 'select 1' sent=5"]);
}

#[test]
fn an_error_after_the_end_is_the_connections() {
    let mut script = Script::mariadb(7);
    script
        .query("select 1")
        .ends(0, 8)
        .errors(1927, *b"70100\0\0\0")
        .query("x")
        .ends(0, 1);
    script.gives(&[
        "1 COM_QUERY ok 'select 1' sent=1",
        "2 connection error - code=1927",
        "3 COM_QUERY ok 'x' sent=1",
    ]);
}
