//! Feeds the masking of secrets.
//!
//! Takes any bytes; fails when a text without a word that announces a secret is changed, or a masked
//! text is changed again. `cargo +nightly fuzz run secrets -- -dict=fuzz/secrets.dict`

#![no_main]

use libfuzzer_sys::fuzz_target;
use sqltrail::flow::Dialect;
use sqltrail::secrets::{mask, may_have_secret};

fuzz_target!(|bytes: &[u8]| {
    for dialect in [Some(Dialect::Postgres), Some(Dialect::Mysql), None] {
        let clean = mask(bytes, dialect);
        assert!(clean == bytes || may_have_secret(bytes));
        assert_eq!(mask(&clean, dialect), clean);
    }
});
