//! Texts, and the format and literals they split into.

use super::{PARAMETER_LIST_BYTES_MAX, Shape, rebuild, split};
use crate::flow::Dialect::{self, Mysql, Postgres};

fn check(dialect: Dialect, text: &str, format: &str, literals: &[&str]) {
    let mut shape = Shape::default();
    split(text, dialect, &mut shape);
    let found: Vec<&str> = shape
        .literals()
        .iter()
        .map(|range| &text[range.clone()])
        .collect();
    assert_eq!(
        (shape.format(), found.as_slice()),
        (format, literals),
        "{dialect:?} {text:?}"
    );
    assert_eq!(rebuild(shape.format(), found), text);
}

#[test]
fn literals() {
    for dialect in [Postgres, Mysql] {
        check(dialect, "", "", &[]);
        check(dialect, "SELECT 1", "SELECT %s", &["1"]);
        check(
            dialect,
            "select a  from t where b='x''y' and c = -5",
            "select a  from t where b=%s and c = -%s",
            &["'x''y'", "5"],
        );
        check(
            dialect,
            "select '%', '%s' % 2 /*100%*/",
            "select %s, %s %% %s /*%s*/",
            &["'%'", "'%s'", "2", "100%"],
        );
        check(dialect, "%s %% %", "%%s %%%% %%", &[]);
        check(dialect, "a%'b'%", "a%%%s%%", &["'b'"]);
        check(
            dialect,
            "group by 1, 2 limit 3",
            "group by %s, %s limit %s",
            &["1", "2", "3"],
        );
        check(dialect, "f(1,2)", "f(%s,%s)", &["1", "2"]);
        check(
            dialect,
            "select '🦀' as größe",
            "select %s as größe",
            &["'🦀'"],
        );
        check(dialect, "select 'open", "select %s", &["'open"]);
    }
    check(
        Postgres,
        "do $$ begin 1; end $$",
        "do %s",
        &["$$ begin 1; end $$"],
    );
    check(Postgres, "select \"a\", $1", "select \"a\", $1", &[]);
    check(
        Mysql,
        "select \"a\", ?, `%`",
        "select %s, ?, `%%`",
        &["\"a\""],
    );
    check(Mysql, "select 'a' 'b'", "select %s", &["'a' 'b'"]);
}

#[test]
fn comments_keep_their_delimiters() {
    check(
        Postgres,
        "/* a */ b /**/ -- c\nd --",
        "/*%s*/ b /**/ --%s\nd --",
        &[" a ", " c"],
    );
    check(Postgres, "/* /* x */ */1", "/*%s*/%s", &[" /* x */ ", "1"]);
    check(Postgres, "/* open", "/*%s", &[" open"]);
    check(
        Mysql,
        "a -- b\n--\t#\n# c\n-- \n--",
        "a -- %s\n--\t%s\n#%s\n-- \n--",
        &["b", "#", " c"],
    );
    check(Mysql, "5--1", "%s--%s", &["5", "1"]);
    check(
        Mysql,
        "/*!50100 SET x=1 */ /* y */",
        "/*!50100 SET x=%s */ /*%s*/",
        &["1", " y "],
    );
}

#[test]
fn lists_are_one_slot() {
    for dialect in [Postgres, Mysql] {
        check(
            dialect,
            "a in (1, 2,3) and b = 4",
            "a in %s and b = %s",
            &["(1, 2,3)", "4"],
        );
        check(dialect, "a NOT IN ('x')", "a NOT IN %s", &["('x')"]);
        check(
            dialect,
            "in\n( -1, + 2.5 , null, TRUE /* c */, Default)",
            "in\n%s",
            &["( -1, + 2.5 , null, TRUE /* c */, Default)"],
        );
        check(
            dialect,
            "values (1,'a'),\n (2,'b') -- x\n, (3,null);",
            "values %s;",
            &["(1,'a'),\n (2,'b') -- x\n, (3,null)"],
        );
        check(
            dialect,
            "values (1),(f(2)),(3)",
            "values %s,(f(%s)),(%s)",
            &["(1)", "2", "3"],
        );
        check(
            dialect,
            "(a,b) in ((1,2),(3,4))",
            "(a,b) in %s",
            &["((1,2),(3,4))"],
        );
        check(
            dialect,
            "in (row(1,2), ROW (3,4))",
            "in %s",
            &["(row(1,2), ROW (3,4))"],
        );
        check(dialect, "in (1), (2)", "in %s, (%s)", &["(1)", "2"]);
        check(dialect, "in (select 1)", "in (select %s)", &["1"]);
        check(dialect, "in (1, a)", "in (%s, a)", &["1"]);
        check(dialect, "in (1 2)", "in (%s %s)", &["1", "2"]);
        check(dialect, "in (1,) in ()", "in (%s,) in ()", &["1"]);
        check(dialect, "in (- 'a')", "in (- %s)", &["'a'"]);
        check(dialect, "in (1, 2, 'cut o", "in %s", &["(1, 2, 'cut o"]);
        check(dialect, "values (1,2),(3,", "values %s", &["(1,2),(3,"]);
        check(dialect, "values (1),(", "values %s,(", &["(1)"]);
        check(dialect, "in /* a */ (1)", "in /*%s*/ %s", &[" a ", "(1)"]);
        check(dialect, "in x (1)", "in x (%s)", &["1"]);
        check(dialect, "in = (1)", "in = (%s)", &["1"]);
    }
    check(Postgres, "= ANY ('{1,2}')", "= ANY %s", &["('{1,2}')"]);
    check(
        Postgres,
        "array[1,2] ARRAY [[1],['x']]",
        "array%s ARRAY %s",
        &["[1,2]", "[[1],['x']]"],
    );
    check(
        Postgres,
        "array(1) in [1]",
        "array(%s) in [%s]",
        &["1", "1"],
    );
    check(
        Postgres,
        "values ('a'::text, $1::date)",
        "values %s",
        &["('a'::text, $1::date)"],
    );
    check(Postgres, "value (1)", "value (%s)", &["1"]);
    check(
        Mysql,
        "insert t value (1, _binary 'x', _utf8 0x41, \"y\")",
        "insert t value %s",
        &["(1, _binary 'x', _utf8 0x41, \"y\")"],
    );
    check(
        Mysql,
        "on duplicate key update a = values(a) + 1",
        "on duplicate key update a = values(a) + %s",
        &["1"],
    );
    check(
        Mysql,
        "insert t values(1) on duplicate key update a=2",
        "insert t values%s on duplicate key update a=%s",
        &["(1)", "2"],
    );
}

#[test]
fn placeholders_stay_unless_there_are_many() {
    check(
        Postgres,
        "values ($1, $2), ($3, $4)",
        "values ($1, $2), ($3, $4)",
        &[],
    );
    check(Mysql, "a in (?,?,?)", "a in (?,?,?)", &[]);
    check(Mysql, "a in (?, 1)", "a in %s", &["(?, 1)"]);
    check(Mysql, "a in (?, /* c */ ?)", "a in %s", &["(?, /* c */ ?)"]);
    check(Mysql, "values (?), (1)", "values %s", &["(?), (1)"]);
    for (count, slots) in [
        (PARAMETER_LIST_BYTES_MAX / 2 - 1, 0),
        (PARAMETER_LIST_BYTES_MAX / 2, 1),
    ] {
        let text = format!("a in ({}?)", "?,".repeat(count - 1));
        let mut shape = Shape::default();
        split(&text, Mysql, &mut shape);
        assert_eq!(shape.literals().len(), slots, "{count}");
    }
}

#[test]
fn a_shape_is_used_again() {
    let mut shape = Shape::default();
    split("select 1, 2", Postgres, &mut shape);
    split("select a", Postgres, &mut shape);
    assert_eq!((shape.format(), shape.literals().len()), ("select a", 0));
}

#[test]
fn rebuild_takes_any_format() {
    assert_eq!(rebuild("%s%s", ["a"]), "a");
    assert_eq!(rebuild("a%", ["b"]), "a%");
    assert_eq!(rebuild("%x%%", []), "%x%");
}
