//! Feeds the lexer and all that is built on it.
//!
//! Takes any bytes; fails when a token is lost, an offset is outside the text, or template and
//! literals do not give the text back. `cargo +nightly fuzz run lex -- -dict=fuzz/lex.dict`

#![no_main]

use libfuzzer_sys::fuzz_target;
use sqltrail::dedup::dictionary::Dictionary;
use sqltrail::dedup::lex::Lexer;
use sqltrail::dedup::template::rebuild;
use sqltrail::dedup::{next_statement, statement_end};
use sqltrail::flow::Dialect;

fuzz_target!(|bytes: &[u8]| {
    for dialect in [Dialect::Postgres, Dialect::Mysql] {
        let mut end = 0;
        for token in Lexer::new(bytes, dialect) {
            assert!(token.start == end && token.end > end);
            end = token.end;
        }
        assert_eq!(end, bytes.len());

        let mut from = 0;
        while let Some(start) = next_statement(bytes, dialect, from) {
            let end = statement_end(bytes, dialect, start);
            assert!(from <= start && start < end && end <= bytes.len());
            from = end;
        }

        let text = String::from_utf8_lossy(bytes);
        let mut dictionary = Dictionary::default();
        let first = dictionary.shape(&text, dialect);
        assert_eq!(rebuild(first.format, first.literals()), text);
        let (fingerprint, class) = (first.fingerprint, first.class);
        let again = dictionary.shape(&text, dialect);
        assert_eq!((again.fingerprint, again.class), (fingerprint, class));
    }
});
