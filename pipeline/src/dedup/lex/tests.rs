//! Texts and the tokens they give, whitespace left out.

use super::{Kind, Lexer};
use crate::flow::Dialect::{self, Mysql, Postgres};

/// `expect` has a letter and the bytes of each token, parted by `¦`.
fn check(dialect: Dialect, text: &str, expect: &str) {
    let mut end = 0;
    let mut tokens = Vec::new();
    for token in Lexer::new(text.as_bytes(), dialect) {
        assert_eq!(token.start, end, "gap or overlap in {text:?}");
        assert!(
            token.end > token.start && text.is_char_boundary(token.end),
            "{token:?} in {text:?}"
        );
        end = token.end;
        let letter = match token.kind {
            Kind::Space => continue,
            Kind::Comment => 'c',
            Kind::Marker => 'm',
            Kind::Word => 'w',
            Kind::Quoted => 'q',
            Kind::Text => 't',
            Kind::Number => 'n',
            Kind::Parameter => 'p',
            Kind::Symbol => 's',
        };
        tokens.push(format!("{letter} {}", &text[token.start..token.end]));
    }
    assert_eq!(end, text.len(), "rest of {text:?} not read");
    assert_eq!(tokens.join("¦"), expect, "{dialect:?} {text:?}");
}

#[test]
fn strings() {
    for (dialect, text, expect) in [
        (Postgres, "'a''b'c", "t 'a''b'¦w c"),
        (Postgres, r"'a\'c'", r"t 'a\'¦w c¦t '"),
        (Postgres, r"E'a\'b'c", r"t E'a\'b'¦w c"),
        (Postgres, r"e'\\'c", r"t e'\\'¦w c"),
        (
            Postgres,
            "B'01' x'ff' N'n' fe'x'",
            "t B'01'¦t x'ff'¦t N'n'¦w fe¦t 'x'",
        ),
        (
            Postgres,
            "U&'\\0041' u&\"d\\0061\" u&1",
            "t U&'\\0041'¦q u&\"d\\0061\"¦w u¦s &¦n 1",
        ),
        (Postgres, "\"a\"\"b\" `", "q \"a\"\"b\"¦s `"),
        (Postgres, "'a' 'b'", "t 'a'¦t 'b'"),
        (Postgres, "'a' \n 'b' c", "t 'a' \n 'b'¦w c"),
        (Postgres, "'a' -- x\n 'b'", "t 'a' -- x\n 'b'"),
        (Postgres, "E'a'\n'\\'b'", "t E'a'\n'\\'b'"),
        (Postgres, "'a'\n-- end", "t 'a'¦c -- end"),
        (Postgres, "'open", "t 'open"),
        (Postgres, "'🦀'é", "t '🦀'¦w é"),
        (Mysql, r"'a\'b' c", r"t 'a\'b'¦w c"),
        (Mysql, r#""a""b\"c" d"#, r#"t "a""b\"c"¦w d"#),
        (Mysql, "`a``b`.`c`", "q `a``b`¦s .¦q `c`"),
        (Mysql, "'a' \"b\"\n'c' d", "t 'a' \"b\"\n'c'¦w d"),
        (
            Mysql,
            "_utf8'é' _latin1\"x\" n'a' X'00' _utf8 'x'",
            "t _utf8'é'¦t _latin1\"x\"¦t n'a'¦t X'00'¦w _utf8¦t 'x'",
        ),
        (Mysql, "x'0\\'", "t x'0\\'"),
        (Mysql, r"'\é", r"t '\é"),
        (Mysql, r"'\", r"t '\"),
        (Mysql, "u@'%'", "w u¦s @¦t '%'"),
    ] {
        check(dialect, text, expect);
    }
}

#[test]
fn dollars() {
    for (dialect, text, expect) in [
        (Postgres, "$$a'b$$c", "t $$a'b$$¦w c"),
        (Postgres, "$f$ $$ $g$ $f$;", "t $f$ $$ $g$ $f$¦s ;"),
        (Postgres, "$é$x$é$", "t $é$x$é$"),
        (Postgres, "$f$ open $f", "t $f$ open $f"),
        (Postgres, "$1 $23,$x $", "p $1¦p $23¦s ,¦s $¦w x¦s $"),
        (Postgres, "$1$ a$b$c", "p $1¦s $¦w a$b$c"),
        (Mysql, "$a $$ ?", "w $a¦w $$¦p ?"),
        (Postgres, "a ? b", "w a¦s ?¦w b"),
    ] {
        check(dialect, text, expect);
    }
}

#[test]
fn comments() {
    for (dialect, text, expect) in [
        (Postgres, "a--b\nc", "w a¦c --b¦w c"),
        (Postgres, "a--b\rc", "w a¦c --b¦w c"),
        (Postgres, "/* a /* b */ ' */c", "c /* a /* b */ ' */¦w c"),
        (Postgres, "/*/ a */b", "c /*/ a */¦w b"),
        (Postgres, "/* /* */ open", "c /* /* */ open"),
        (Postgres, "/*! x */ # 1", "c /*! x */¦s #¦n 1"),
        (Postgres, "1*/*x*/2", "n 1¦s *¦c /*x*/¦n 2"),
        (Mysql, "5--1", "n 5¦s -¦s -¦n 1"),
        (Mysql, "5-- 1\n6", "n 5¦c -- 1¦n 6"),
        (Mysql, "a --", "w a¦c --"),
        (Mysql, "--\n1", "c --¦n 1"),
        (Mysql, "--\u{1}x\r1\n2", "c --\u{1}x\r1¦n 2"),
        (Mysql, "a#b'\nc", "w a¦c #b'¦w c"),
        (Mysql, "/* a /* b */c", "c /* a /* b */¦w c"),
        (Mysql, "/*", "c /*"),
        (
            Mysql,
            "/*!40101 SET a=1 */;",
            "m /*!40101¦w SET¦w a¦s =¦n 1¦m */¦s ;",
        ),
        (
            Mysql,
            "/*M!100100 a*//*!1*/",
            "m /*M!100100¦w a¦m */¦m /*!¦n 1¦m */",
        ),
        (Mysql, "/*!1234567*/ */", "m /*!123456¦n 7¦m */¦s *¦s /"),
        (
            Mysql,
            "/*! '*/' /* c */ d */",
            "m /*!¦t '*/'¦c /* c */¦w d¦m */",
        ),
        (
            Mysql,
            "select /*+ BKA(t) */ 1",
            "w select¦m /*+¦w BKA¦s (¦w t¦s )¦m */¦n 1",
        ),
    ] {
        check(dialect, text, expect);
    }
}

#[test]
fn numbers_and_words() {
    for (dialect, text, expect) in [
        (
            Postgres,
            "1 1.5 .5 1. 1e-3 1.e+5",
            "n 1¦n 1.5¦n .5¦n 1.¦n 1e-3¦n 1.e+5",
        ),
        (
            Postgres,
            "0xFF 0b1 0o7 1_000 1__0 0x",
            "n 0xFF¦n 0b1¦n 0o7¦n 1_000¦n 1¦w __0¦n 0¦w x",
        ),
        (
            Postgres,
            "1..2 1e a1 1a",
            "n 1¦s .¦n .2¦n 1¦w e¦w a1¦n 1¦w a",
        ),
        (Postgres, "-1::int", "s -¦n 1¦s :¦s :¦w int"),
        (
            Mysql,
            "1 1.5 .5 1. 1e-3 1.e+5 0xFF 0b1",
            "n 1¦n 1.5¦n .5¦n 1.¦n 1e-3¦n 1.e+5¦n 0xFF¦n 0b1",
        ),
        (
            Mysql,
            "1a 1e 0xG 0b2 0XF 1e5x",
            "w 1a¦w 1e¦w 0xG¦w 0b2¦w 0XF¦w 1e5x",
        ),
        (
            Mysql,
            "db.1t db.5 `db`.5 a . .5",
            "w db¦s .¦w 1t¦w db¦s .¦w 5¦q `db`¦s .¦w 5¦w a¦s .¦n .5",
        ),
        (Mysql, "a..5", "w a¦s .¦s .¦n 5"),
        (Postgres, "größe_$1 \u{a0}x", "w größe_$1¦w \u{a0}x"),
        (
            Mysql,
            "@@x.y:=:b\0%s",
            "s @¦s @¦w x¦s .¦w y¦s :¦s =¦s :¦w b¦s \0¦s %¦w s",
        ),
    ] {
        check(dialect, text, expect);
    }
}

#[test]
fn reads_bytes_that_are_no_text() {
    let bytes: Vec<u8> = (0..=255).chain((0..=255).rev()).collect();
    for dialect in [Postgres, Mysql] {
        for from in 0..=bytes.len() {
            let last = Lexer::at(&bytes, dialect, from).last();
            assert!(last.is_none_or(|token| token.end == bytes.len()));
            assert_eq!(last.is_none(), from == bytes.len());
        }
    }
}
