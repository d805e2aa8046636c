//! What is entered, what is found again, and what a full dictionary says.

use super::{Dictionary, Found, Limits};
use crate::dedup::classify::Class;
use crate::dedup::template::rebuild;
use crate::flow::Dialect::{Mysql, Postgres};

fn found(dictionary: &mut Dictionary, text: &str) -> Found {
    let shaped = dictionary.shape(text, Postgres);
    assert_eq!(rebuild(shaped.format, shaped.literals()), text);
    assert_eq!(
        shaped.normalised.is_none(),
        matches!(shaped.found, Found::Known(_))
    );
    shaped.found
}

#[test]
fn a_template_is_entered_once() {
    let mut dictionary = Dictionary::new(Limits::DEFAULT, 7);
    assert_eq!(found(&mut dictionary, "select 1"), Found::New(7));
    assert_eq!(found(&mut dictionary, "select 'a'"), Found::Known(7));
    assert_eq!(found(&mut dictionary, "SELECT 1"), Found::New(8));
    assert_eq!(found(&mut dictionary, "select 2"), Found::Known(7));
    assert_eq!(
        (dictionary.len(), dictionary.bytes(), dictionary.next_id()),
        (2, 18, 9)
    );
}

#[test]
fn says_what_the_template_says() {
    let mut dictionary = Dictionary::default();
    for known in [false, true] {
        let shaped = dictionary.shape("DELETE FROM t WHERE a IN (1,2) AND b = 'x' ;", Postgres);
        assert_eq!(shaped.format, "DELETE FROM t WHERE a IN %s AND b = %s ;");
        assert_eq!(shaped.literals().collect::<Vec<_>>(), ["(1,2)", "'x'"]);
        assert_eq!(
            (shaped.class, shaped.operation, shaped.literal_count()),
            (Class::Write, "DELETE", 2)
        );
        assert_eq!(
            shaped.normalised,
            (!known).then_some("delete from t where a in ? and b = ?")
        );
        assert_eq!(
            shaped.found,
            if known {
                Found::Known(1)
            } else {
                Found::New(1)
            }
        );
    }
}

#[test]
fn dialects_are_kept_apart() {
    let mut dictionary = Dictionary::default();
    let text = "select a into b";
    let postgres = dictionary.shape(text, Postgres).class;
    let mysql = dictionary.shape(text, Mysql);
    assert_eq!(
        (postgres, mysql.class, mysql.found),
        (Class::Ddl, Class::Read, Found::New(2))
    );
}

#[test]
fn every_limit_holds() {
    let full = |limits: Limits, first: &str, second: &str| {
        let mut dictionary = Dictionary::new(limits, 1);
        assert_eq!(found(&mut dictionary, first), Found::New(1), "{limits:?}");
        for _ in 0..2 {
            assert_eq!(found(&mut dictionary, second), Found::Full, "{limits:?}");
        }
        assert_eq!(found(&mut dictionary, first), Found::Known(1));
        let shaped = dictionary.shape(second, Postgres);
        assert_eq!((shaped.operation, shaped.found.id()), ("UPDATE", None));
        assert!(
            shaped
                .normalised
                .is_some_and(|normalised| normalised.starts_with("update t set a = ?"))
        );
        assert_eq!((dictionary.len(), dictionary.bytes()), (1, 9));
    };
    let second = "update t set a = 1, b = 2";
    full(
        Limits {
            templates: 1,
            ..Limits::DEFAULT
        },
        "select 1",
        second,
    );
    full(
        Limits {
            bytes: 20,
            ..Limits::DEFAULT
        },
        "select 1",
        second,
    );
    full(
        Limits {
            format_bytes: 9,
            ..Limits::DEFAULT
        },
        "select 1",
        second,
    );
    full(
        Limits {
            literals: 1,
            ..Limits::DEFAULT
        },
        "select 1",
        second,
    );
}

#[test]
fn a_failed_transaction_is_forgotten() {
    let mut dictionary = Dictionary::new(Limits::DEFAULT, 5);
    found(&mut dictionary, "select 1");
    let mark = dictionary.next_id();
    found(&mut dictionary, "select a");
    dictionary.shape("select b", Mysql);
    dictionary.roll_back(mark);
    assert_eq!(
        (dictionary.len(), dictionary.bytes(), dictionary.next_id()),
        (1, 9, 6)
    );
    assert_eq!(found(&mut dictionary, "select 2"), Found::Known(5));
    assert_eq!(found(&mut dictionary, "select b"), Found::New(6));
    dictionary.roll_back(i64::MIN);
    assert!(dictionary.is_empty());
}
