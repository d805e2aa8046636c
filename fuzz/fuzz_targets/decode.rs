//! Feeds the decoder and the assembler.
//!
//! Takes a stream of records, each a `u32` length and its bytes, as in `pipeline/testdata/samples`; fails
//! when bytes that decode do not encode to what they were, when a row's number is not the next, or
//! when a text is longer than it says. `cargo +nightly fuzz run decode fuzz/corpus/decode pipeline/testdata/samples`

#![no_main]

use libfuzzer_sys::fuzz_target;
use sqltrail::{
    assemble::{Assembler, Clock, Target},
    decode::{Record, decode},
};

/// Servers that records may be of: PostgreSQL, MariaDB, MySQL by their ids, each with the index of its id and
/// of that less one, which is the index in the samples.
const TARGETS: [(u32, u32); 4] = [(0, 1), (1, 2), (2, 3), (3, 1)];

fuzz_target!(|stream: &[u8]| {
    let mut assembler = Assembler::new("db1".to_owned(), 1, Clock::new(0, 0));
    for (index, engine) in TARGETS {
        let tags = ["SELECT", "INSERT", "COPY"].map(str::to_owned).to_vec();
        assembler.add_target(index, Target { engine, version: None, tags });
    }
    let mut rows = Vec::new();
    let mut rest = stream;
    while let Some((len, behind)) = rest.split_first_chunk() {
        let len = usize::try_from(u32::from_le_bytes(*len)).unwrap_or(usize::MAX).min(behind.len());
        let (bytes, behind) = behind.split_at(len);
        rest = behind;
        if let Ok(record) = decode(bytes) {
            let mut encoded = Vec::new();
            record.encode(&mut encoded);
            assert_eq!(decode(&encoded).as_ref(), Ok(&record));
            assert!(bytes.starts_with(&encoded) || matches!(record, Record::Session(..)));
            assembler.record(&record, &mut rows);
        }
    }
    assembler.finish(&mut rows);
    for (row, seq) in rows.iter().zip(1..) {
        assert!(row.seq == seq && (1..=seq).contains(&row.message_seq));
        if let Some(text) = &row.text {
            let recorded = text.bytes.len() as u64;
            assert!(recorded == text.len || recorded < text.len && text.truncated);
        }
    }
});
