//! What must hold for every text.

use std::collections::HashMap;

use proptest::prelude::*;

use super::classify::{Class, classify};
use super::dictionary::Dictionary;
use super::fingerprint::{Fingerprint, normalise};
use super::lex::Lexer;
use super::statement::{next_statement, statement_end};
use super::template::{Shape, rebuild, split};
use crate::flow::Dialect::{self, Mysql, Postgres};

const DIALECTS: [Dialect; 2] = [Postgres, Mysql];

/// Pieces of SQL that mean something to some part of the lexer.
const PIECES: &[&str] = &[
    "'",
    "\"",
    "`",
    "\\",
    "''",
    "'a'",
    "E'",
    "x'",
    "U&\"",
    "_utf8",
    "$",
    "$$",
    "$a$",
    "$1",
    "?",
    "--",
    "-- ",
    "#",
    "/*",
    "*/",
    "/*!",
    "/*M!10",
    "/*+",
    "\n",
    "\r",
    " ",
    "\t",
    ";",
    "(",
    ")",
    "[",
    "]",
    ",",
    ".",
    ":",
    "::",
    "+",
    "-",
    "*",
    "%",
    "%s",
    "%%",
    "1",
    "0x",
    ".5",
    "1e",
    "e",
    "a",
    "é",
    "🦀",
    "\u{fffd}",
    "in",
    " IN (",
    "values",
    " values (",
    "any",
    "array[",
    "row",
    "null",
    "default",
    "select",
    "delete",
    "with",
    "explain",
    "analyze",
    "create",
    "function",
    "begin",
    "atomic",
    "case",
    "end",
    "into",
    "copy",
    "from",
    "set",
    "role",
    "int",
];

fn pieces(length: usize) -> impl Strategy<Value = String> {
    proptest::collection::vec(proptest::sample::select(PIECES), 0..length)
        .prop_map(|pieces| pieces.concat())
}

/// Everything that is promised of any text.
fn check(text: &str) {
    for dialect in DIALECTS {
        let mut end = 0;
        for token in Lexer::new(text.as_bytes(), dialect) {
            assert!(
                token.start == end && token.end > end && text.is_char_boundary(token.end),
                "{dialect:?} {text:?}"
            );
            end = token.end;
        }
        assert_eq!(end, text.len());

        let mut shape = Shape::default();
        split(text, dialect, &mut shape);
        assert!(shape.literals().iter().all(|range| !range.is_empty()));
        let rebuilt = rebuild(
            shape.format(),
            shape.literals().iter().map(|range| &text[range.clone()]),
        );
        assert_eq!(rebuilt, text, "{dialect:?} {:?}", shape.format());

        let mut from = 0;
        while let Some(start) = next_statement(text.as_bytes(), dialect, from) {
            let end = statement_end(text.as_bytes(), dialect, start);
            assert!(
                from <= start && start < end && end <= text.len(),
                "{dialect:?} {text:?}"
            );
            assert!(text.is_char_boundary(start) && text.is_char_boundary(end));
            from = end;
        }
        assert!(classify(text, dialect).operation.is_ascii());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2000) })]

    #[test]
    fn any_text(text in any::<String>()) {
        check(&text);
    }

    #[test]
    fn any_pieces(text in pieces(24)) {
        check(&text);
    }

    #[test]
    fn any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..64), from in 0usize..80) {
        for dialect in DIALECTS {
            prop_assert!(Lexer::at(&bytes, dialect, from).all(|token| token.end <= bytes.len() && token.start < token.end));
            prop_assert!(next_statement(&bytes, dialect, from).is_none_or(|start| start >= from && start < bytes.len()));
            prop_assert!(statement_end(&bytes, dialect, from) <= bytes.len());
        }
    }

    #[test]
    fn a_text_cut_off_is_read_as_far_as_it_goes(text in pieces(24), cut in any::<proptest::sample::Index>()) {
        let ends: Vec<usize> = text.char_indices().map(|(at, _)| at).chain([text.len()]).collect();
        check(&text[..*cut.get(&ends)]);
    }

    /// The store keeps one meaning for each format.
    #[test]
    fn a_format_has_one_meaning(texts in proptest::collection::vec(pieces(5), 200)) {
        let mut meanings = Meanings::default();
        for text in &texts {
            meanings.check(text);
        }
    }

    #[test]
    fn a_dictionary_gives_back_what_it_took(texts in proptest::collection::vec(pieces(8), 1..50)) {
        let mut dictionary = Dictionary::default();
        let mut formats: HashMap<i64, (Dialect, String)> = HashMap::new();
        for (text, dialect) in texts.iter().zip(DIALECTS.into_iter().cycle()) {
            let shaped = dictionary.shape(text, dialect);
            prop_assert_eq!(rebuild(shaped.format, shaped.literals()), text.as_str());
            prop_assert_eq!(shaped.fingerprint, Fingerprint::of(&normalise(text, dialect)));
            let classified = classify(text, dialect);
            prop_assert_eq!((shaped.class, shaped.operation), (classified.class, classified.operation.as_str()));
            let id = shaped.found.id().ok_or_else(|| TestCaseError::fail("full"))?;
            let format = (dialect, shaped.format.to_owned());
            prop_assert_eq!(formats.entry(id).or_insert_with(|| format.clone()), &format);
        }
        prop_assert_eq!(formats.len(), dictionary.len());
    }

    #[test]
    fn a_fingerprint_ignores_all_but_the_shape(
        statement in proptest::collection::vec(element(), 1..20),
        left in proptest::collection::vec(any::<u8>(), 32),
        right in proptest::collection::vec(any::<u8>(), 32),
    ) {
        let (left, right) = (render(&statement, &left), render(&statement, &right));
        for dialect in DIALECTS {
            prop_assert_eq!(normalise(&left, dialect), normalise(&right, dialect), "{:?} {:?}", left, right);
            prop_assert_eq!(classify(&left, dialect), classify(&right, dialect));
        }
    }
}

/// Every short text of the pieces that open, close or fill a slot.
#[test]
fn every_short_format_has_one_meaning() {
    const SHORT: &[&str] = &[
        "'a'", "'", "\"a\"", "1", ".5", "e", "x", "_a", "$$", "?", "$1", "--", " ", "\n", "#",
        "/*", "*/", "/*!", "!", "(", ")", ",", "in", "values", "array[", "]", "-", "::", ";",
        "null", "into", "with",
    ];
    let mut meanings = Meanings::default();
    for first in SHORT {
        for second in SHORT {
            for third in SHORT {
                meanings.check(&format!("{first}{second}{third}"));
                meanings.check(&format!("in({first}{second}{third})"));
            }
        }
    }
}

/// The meaning of each format, and a text that has it.
#[derive(Default)]
struct Meanings(HashMap<(Dialect, String), (String, Class, String, String)>);

impl Meanings {
    fn check(&mut self, text: &str) {
        for dialect in DIALECTS {
            let mut shape = Shape::default();
            split(text, dialect, &mut shape);
            let normalised = normalise(text, dialect);
            let classified = classify(text, dialect);
            let meaning = self
                .0
                .entry((dialect, shape.format().to_owned()))
                .or_insert_with(|| {
                    (
                        normalised.clone(),
                        classified.class,
                        classified.operation.clone(),
                        text.to_owned(),
                    )
                });
            assert_eq!(
                (&meaning.0, meaning.1, &meaning.2),
                (&normalised, classified.class, &classified.operation),
                "{dialect:?} {text:?} and {:?}",
                meaning.3
            );
        }
    }
}

/// One word of a statement that can be written in several ways.
#[derive(Debug, Clone)]
enum Element {
    Word(&'static str),
    Literal,
    List,
    Rows,
    Symbol(&'static str),
}

fn element() -> impl Strategy<Value = Element> {
    prop_oneof![
        proptest::sample::select(vec![
            "select", "from", "t", "where", "größe", "and", "with", "delete", "case"
        ])
        .prop_map(Element::Word),
        Just(Element::Literal),
        Just(Element::List),
        Just(Element::Rows),
        proptest::sample::select(vec!["=", "<", ",", "(", ")", "`q`", "%", "\"Q\" ="])
            .prop_map(Element::Symbol),
    ]
}

/// Writes the statement as `choices` say.
fn render(statement: &[Element], choices: &[u8]) -> String {
    let mut choices = choices.iter().cycle().copied();
    let mut pick = |from: &[&'static str]| {
        let choice = choices.next().unwrap_or_default();
        from[usize::from(choice) % from.len()]
    };
    let mut text = String::new();
    for element in statement {
        text.push_str(pick(&[" ", "\n", "\t  ", " /* ' */ ", " -- \"\n"]));
        match element {
            Element::Word(word) if pick(&["upper", "lower"]) == "upper" => {
                text.push_str(&word.to_ascii_uppercase());
            }
            Element::Word(word) => text.push_str(word),
            // Two literals in a row would be one string: something has to be between.
            Element::Literal => {
                text.push_str("= ");
                text.push_str(pick(&["1", "'a''b'", "1.5e3", "'%s'", "x'00'", "0xFF"]));
                text.push_str(" <");
            }
            Element::List => {
                text.push_str(pick(&["in ", "IN ", "In\n"]));
                text.push_str(pick(&["(1)", "('a', null, -2)", "( 1 , 2,3)"]));
            }
            Element::Rows => {
                text.push_str(pick(&["values ", "VALUES"]));
                text.push_str(pick(&[
                    "(1)",
                    "(1), ('b')",
                    "(default,2) ,\n(3,4) , (5,null)",
                ]));
            }
            Element::Symbol(symbol) => text.push_str(symbol),
        }
    }
    text.push_str(pick(&["", ";", " ; ", ";\n-- end"]));
    text
}
