//! Texts of several statements, and where these begin and end.

use super::{next_statement, statement_end};
use crate::flow::Dialect::{self, Mysql, Postgres};

/// Cuts `text` as the two functions say; `expect` are the pieces from each statement's first byte.
fn check(dialect: Dialect, text: &str, expect: &[&str]) {
    let mut pieces = Vec::new();
    let mut from = 0;
    while let Some(start) = next_statement(text.as_bytes(), dialect, from) {
        from = statement_end(text.as_bytes(), dialect, start);
        pieces.push(&text[start..from]);
    }
    assert_eq!(pieces, expect, "{dialect:?} {text:?}");
}

#[test]
fn pieces() {
    for dialect in [Postgres, Mysql] {
        check(dialect, "", &[]);
        check(dialect, " ; ;; -- x\n /* y */ ;", &[]);
        check(dialect, "select 1", &["select 1"]);
        check(
            dialect,
            " select ';' ; /* ; */ update t; -- ;\n",
            &["select ';' ;", "update t;"],
        );
        check(dialect, "a;;b", &["a;", "b"]);
        check(
            dialect,
            "select 'é;🦀'; 'open ;",
            &["select 'é;🦀';", "'open ;"],
        );
        check(
            dialect,
            "begin; select 1; end",
            &["begin;", "select 1;", "end"],
        );
    }
    check(Postgres, "do $$ a; b $$; c", &["do $$ a; b $$;", "c"]);
    check(
        Postgres,
        "create rule r as on insert to t do (a; b); c",
        &["create rule r as on insert to t do (a; b);", "c"],
    );
    check(
        Mysql,
        "a -- b;\n; /*!40101 c */; # d",
        &["a -- b;\n;", "/*!40101 c */;"],
    );
    check(Mysql, r"select '\';' ; b", &[r"select '\';' ;", "b"]);
}

#[test]
fn routine_bodies() {
    let body = "create or replace function f() returns int language sql begin atomic select case when a then 1 end; select 2; end;";
    check(Postgres, &format!("{body} select 3"), &[body, "select 3"]);
    check(
        Postgres,
        "create function f(begin int) as 'x'; b",
        &["create function f(begin int) as 'x';", "b"],
    );
    let body = "CREATE DEFINER=`a`@`%` PROCEDURE p() BEGIN IF x THEN a; END IF; CASE y WHEN 1 THEN b; END CASE; \
                l: LOOP begin c; end; LEAVE l; END LOOP; select case when 1 then 2 end; END;";
    check(Mysql, &format!("{body}b"), &[body, "b"]);
    check(
        Mysql,
        "create trigger t before insert on u for each row begin a; end; b",
        &[
            "create trigger t before insert on u for each row begin a; end;",
            "b",
        ],
    );
    check(
        Mysql,
        "begin not atomic a; b; end; c",
        &["begin not atomic a; b; end;", "c"],
    );
    check(
        Mysql,
        "create table event (begin int); b",
        &["create table event (begin int);", "b"],
    );
    check(
        Mysql,
        "create procedure p() begin a; b",
        &["create procedure p() begin a; b"],
    );
}

#[test]
fn offsets_behind_the_text() {
    assert_eq!(next_statement(b"a", Postgres, 1), None);
    assert_eq!(next_statement(b"a", Postgres, usize::MAX), None);
    assert_eq!(statement_end(b"a;", Postgres, 9), 2);
}
