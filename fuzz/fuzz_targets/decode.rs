//! Feeds the decoder and the assembler.
//!
//! Takes a stream of records, each a `u32` length and its bytes, as in `pipeline/testdata/samples`; fails when a
//! record that decodes does not encode to its bytes, when a row's number is not the next, or when a text is longer
//! than it says. `cargo +nightly fuzz run decode fuzz/corpus/decode pipeline/testdata/samples`

#![no_main]

use libfuzzer_sys::fuzz_target;
use sqltrail::assemble::{Assembler, Clock, Target};
use sqltrail::decode::{Record, decode};
use sqltrail::flow::Event;

/// How many engines there are; their ids start at 1.
const ENGINES: u32 = 3;

fuzz_target!(|stream: &[u8]| {
    // Whatever server a record names, it is of each engine once.
    for turn in 0..ENGINES {
        check(&rows(stream, turn));
    }
});

fn rows(mut stream: &[u8], turn: u32) -> Vec<Event> {
    let mut assembler = Assembler::new("db1".to_owned(), 1, Clock::new(0, 0));
    for index in 0..ENGINES {
        let target = Target {
            engine: (index + turn) % ENGINES + 1,
            version: None,
            tags: ["SELECT", "INSERT", "COPY"].map(str::to_owned).to_vec(),
        };
        assembler.add_target(index, target);
    }
    let mut rows = Vec::new();
    while let Some((len, rest)) = stream.split_first_chunk() {
        let len = usize::try_from(u32::from_le_bytes(*len)).unwrap_or(usize::MAX);
        let (bytes, rest) = rest.split_at(len.min(rest.len()));
        stream = rest;
        if let Ok(record) = decode(bytes) {
            let mut encoded = Vec::new();
            record.encode(&mut encoded);
            assert_eq!(decode(&encoded).as_ref(), Ok(&record));
            assert!(bytes.starts_with(&encoded) || matches!(record, Record::Session(..) | Record::Object(..)));
            assembler.record(&record, &mut rows);
        }
    }
    assembler.finish(&mut rows);
    rows
}

fn check(rows: &[Event]) {
    for (row, seq) in rows.iter().zip(1..) {
        assert!(row.seq == seq && (1..=seq).contains(&row.message_seq));
        if let Some(text) = &row.text {
            let recorded = text.bytes.len() as u64;
            assert!(recorded == text.len || recorded < text.len && text.truncated);
        }
    }
}
