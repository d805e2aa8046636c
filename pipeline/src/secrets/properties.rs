//! What must hold for every text.

use std::sync::LazyLock;

use proptest::prelude::*;

use super::{corpus::corpus, mask, mask_text, may_have_secret};
use crate::{
    dedup::{classify, lex::Quoting},
    flow::Dialect::{self, Mysql, Postgres},
};

static CORPUS: LazyLock<Vec<(Dialect, String)>> = LazyLock::new(corpus);

const DIALECTS: [Option<Dialect>; 3] = [Some(Postgres), Some(Mysql), None];

/// Pieces that mean something to some rule.
const PIECES: &[&str] = &[
    "'",
    "''",
    "\"",
    "`",
    "\\",
    "\\'",
    "$$",
    "$a$",
    "E'",
    "x'",
    "_utf8'",
    "'a'",
    "'b",
    " ",
    "\n",
    "--",
    "-- ",
    "#",
    "/*",
    "*/",
    "/*!",
    "(",
    ")",
    ",",
    ";",
    "=",
    ":",
    "::",
    "@",
    ".",
    "%L",
    "$1",
    "?",
    "||",
    "0x41",
    "12",
    "a",
    "é",
    "***",
    "'***'",
    " password ",
    "password",
    "password=",
    "pwd=",
    "\"token\":",
    " identified ",
    " by ",
    " with ",
    " using ",
    "alter user ",
    "create role ",
    "set ",
    " for ",
    " to ",
    " replace ",
    " case ",
    " end ",
    " where ",
    " options (",
    "key",
    "aes_encrypt(",
    "crypt(",
    "set_config(",
    "connection ",
    "copy t to program ",
    " -p",
    "--password ",
    "://u:p@h",
    "bearer abcdefgh",
    "do ",
    "execute ",
    "select ",
    "update t set ",
    "passwrod",
];

fn pieces() -> impl Strategy<Value = String> {
    proptest::collection::vec(proptest::sample::select(PIECES), 0..24)
        .prop_map(|pieces| pieces.concat())
}

/// Everything that is promised of any text.
fn check(text: &[u8]) {
    for dialect in DIALECTS {
        for (failed, message) in [(false, false), (true, false), (true, true)] {
            let look = |text: &[u8]| {
                mask_text(text, dialect, failed, message)
                    .map_or_else(|| text.to_vec(), |masked| masked.bytes)
            };
            let clean = look(text);
            if !may_have_secret(text) {
                assert_eq!(clean, text);
            }
            let said = String::from_utf8_lossy(text);
            assert_eq!(
                look(&clean),
                clean,
                "{dialect:?} {failed} {message} {said:?}"
            );
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(1000) })]

    #[test]
    fn any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
        check(&bytes);
    }

    #[test]
    fn any_pieces(text in pieces()) {
        check(text.as_bytes());
    }

    #[test]
    fn a_piece_of_the_corpus(
        which in any::<proptest::sample::Index>(),
        from in any::<proptest::sample::Index>(),
        to in any::<proptest::sample::Index>(),
        between in pieces(),
    ) {
        let text = which.get(&CORPUS).1.as_bytes();
        let (from, to) = (from.index(text.len()), to.index(text.len()));
        check(&[&text[..from], between.as_bytes(), &text[to..]].concat());
    }

    /// Values, names and statements without a word that announces a secret.
    #[test]
    fn a_text_without_secrets_stays_as_it_is(
        table in "[bdfghjlmn]{1,8}",
        value in "[^'\\\\$pPkKtT_:=]{0,20}",
        number in any::<i64>(),
        password in "(password|api_key|secret|token)",
    ) {
        for text in [
            format!("select {password} from {table} where a = '{value}' and b = {number}"),
            format!("insert into {table} ({password}, a) values (default, '{value}')"),
            format!("select a from {table} where {password} is null or a = '{value}'"),
            format!("create index on {table} ({password}) where a > '{value}'"),
        ] {
            prop_assert_eq!(&*mask(text.as_bytes(), Some(Postgres)), text.as_bytes());
        }
    }

    /// Whatever the password is, it is gone, and what the statement does is still told.
    #[test]
    fn any_password_is_masked(password in "Zq7[^']{0,20}", place in 0usize..8) {
        let doubled = password.replace('\\', "\\\\");
        let (dialect, text) = match place {
            0 => (Postgres, format!("alter role a password '{password}'")),
            1 => (Postgres, format!("do $do$ begin alter role a password '{password}'; end $do$")),
            2 => (Mysql, format!("create user a@b identified by '{doubled}' account lock")),
            3 => (Mysql, format!("set password for a@b = password('{doubled}')")),
            4 => (Postgres, format!("update t set password = '{password}' where b = 'c'")),
            5 => (Mysql, format!("update t set password = sha1('{doubled}') where b = 'c'")),
            6 => (Postgres, format!("select '{password}', crypt('{password}', 'x')")),
            _ => (Mysql, format!("execute immediate \"alter user a identified by '{}'\"", doubled.replace('\\', "\\\\").replace('"', "\"\""))),
        };
        let clean = mask(text.as_bytes(), Some(dialect));
        let clean = String::from_utf8_lossy(&clean);
        let allowed = usize::from(place == 6);
        prop_assert_eq!(clean.matches("Zq7").count(), allowed, "{} {}", text, clean);
        prop_assert_eq!(classify(&clean, dialect), classify(&text, dialect));
    }

    /// Whatever the session makes of a backslash.
    #[test]
    fn any_password_is_masked_under_any_setting(
        middle in proptest::collection::vec(proptest::sample::select(vec!["'", "\\", "\"", "a", " ", ";"]), 0..6),
        setting in 0usize..3,
        dialect in proptest::sample::select(vec![Postgres, Mysql]),
        escaped in any::<bool>(),
        place in 0usize..3,
    ) {
        let password = format!("Zq7{}7qZ", middle.concat());
        let settings = Quoting::all(dialect);
        let quoting = settings[setting % settings.len()];
        let literal = if quoting.escapes(dialect, b'\'') {
            let quote = if escaped { "\\'" } else { "''" };
            password.replace('\\', "\\\\").replace('\'', quote)
        } else {
            password.replace('\'', "''")
        };
        let text = match (dialect, place) {
            (Postgres, 0) => format!("alter role a password '{literal}'"),
            (Postgres, 1) => format!("select 'b', crypt(c, '{literal}') from t"),
            (Mysql, 0) => format!("create user a@b identified by '{literal}'"),
            (Mysql, 1) => format!("set password for a@b = password('{literal}')"),
            _ => format!("update t set password = '{literal}' where b = 'c'"),
        };
        let clean = mask(text.as_bytes(), Some(dialect));
        let clean = String::from_utf8_lossy(&clean);
        prop_assert!(!clean.contains("Zq7") && !clean.contains("7qZ"), "{:?} {} {}", quoting, text, clean);
    }
}

#[test]
fn deep_and_long_texts_are_read_in_time() {
    for unit in [
        "(",
        "'",
        "\"",
        "$$",
        "/*",
        "password ",
        "password=",
        "password('",
        "://u:",
        "\\'",
        "'password ",
        "{\"password\":",
    ] {
        check(unit.repeat(20_000 / unit.len()).as_bytes());
    }
    let mut nested = "alter role a password 'Zq7'".to_owned();
    for level in 0..40 {
        nested = format!("do $l{level}$ {nested} $l{level}$");
    }
    let clean = mask(nested.as_bytes(), Some(Postgres));
    assert!(!String::from_utf8_lossy(&clean).contains("Zq7"));
}
