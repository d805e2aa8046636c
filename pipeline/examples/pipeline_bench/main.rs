//! What the pipeline costs: raw records from memory through decode, assemble and store, next to a bare
//! prepared insert of the very rows that come of them.
//!
//! ```text
//! cargo run --release -p sqltrail --example pipeline_bench -- [EVENTS [ROUNDS]]
//! ```
//! Prints one JSON object of medians. Both sides write the same rows in the same batches to tables of the
//! same layout, synchronously, in turn; what is compared is the CPU time of this thread, which does it all.

use std::{fs, path::Path};

use anyhow::Context as _;
use rusqlite::{Connection, TransactionBehavior, types::Value};
use schema::sqlite::{PAGE_SIZE, create_segment, insert_event};
use serde_json::json;
use sqltrail::{
    decode::decode,
    flow::{Batch, Event, RingPosition},
    store::{Options, Store},
};

mod load;

use load::Load;

/// Events of a run, unless told otherwise.
const EVENTS: usize = 200_000;

/// Runs of each side, unless told otherwise.
const ROUNDS: usize = 7;

/// Rows of a batch: the recorder's most.
const BATCH_ROWS: usize = 8192;

/// The segment that all rows go to: the first of a new trail.
const SEGMENT: i64 = 1;

fn main() -> anyhow::Result<()> {
    let mut numbers = std::env::args().skip(1).map(|word| word.parse::<u32>());
    let events = numbers
        .next()
        .transpose()?
        .map_or(EVENTS, |number| number as usize);
    let rounds = numbers
        .next()
        .transpose()?
        .map_or(ROUNDS, |number| number as usize);

    let load = Load::new(events);
    let (mut front, mut whole, mut bare) = (Vec::new(), Vec::new(), Vec::new());
    let mut stored_bytes = 0;
    for _ in 0..rounds.max(1) {
        front.push(to_events(&load)?);
        let folder = tempfile::tempdir()?;
        whole.push(to_store(&load, folder.path())?);
        let database = folder.path().join("audit.db");
        stored_bytes = fs::metadata(&database)?.len();
        let rows = Rows::read(&database)?;
        anyhow::ensure!(rows.0.len() == events, "{} rows of {events}", rows.0.len());
        bare.push(rows.insert(&folder.path().join("bare.db"))?);
    }
    let count = f64::from(u32::try_from(events)?);
    let ratios = whole.iter().zip(&bare).map(|(whole, bare)| bare / whole);
    let result = json!({
        "events": events,
        "rounds": rounds,
        "batch_rows": BATCH_ROWS,
        "query_bytes": (load.text_bytes as f64 / count).round(),
        "events_per_cpu_s": (count / median(whole.iter().copied())).round(),
        "bare_insert_per_cpu_s": (count / median(bare.iter().copied())).round(),
        "ratio": rounded(median(ratios), 1000.0),
        "decode_assemble_per_cpu_s": (count / median(front.iter().copied())).round(),
        "bytes_per_event": rounded(stored_bytes as f64 / count, 10.0),
    });
    println!("{result}");
    Ok(())
}

/// Decode and assemble alone; CPU seconds.
fn to_events(load: &Load) -> anyhow::Result<f64> {
    let mut assembler = load.assembler(1);
    let mut events = Vec::new();
    let mut count = 0;
    let started = cpu_s()?;
    for record in load.records() {
        assembler.record(&decode(record)?, &mut events);
        if events.len() >= BATCH_ROWS {
            count += events.len();
            events.clear();
        }
    }
    let seconds = cpu_s()? - started;
    anyhow::ensure!(
        count + events.len() == load.events,
        "not every event was made"
    );
    Ok(seconds)
}

/// All of the pipeline; CPU seconds from the first record to the last commit.
fn to_store(load: &Load, folder: &Path) -> anyhow::Result<f64> {
    let mut store = Store::open(folder, Options::default(), load::WALL_US)?;
    let mut assembler = load.assembler(store.next_seq());
    let mut events: Vec<Event> = Vec::new();
    let mut position = 0;
    let started = cpu_s()?;
    for record in load.records() {
        assembler.record(&decode(record)?, &mut events);
        position += record.len() as u64;
        if events.len() >= BATCH_ROWS {
            events = append(&mut store, events, position)?;
        }
    }
    append(&mut store, events, position)?;
    Ok(cpu_s()? - started)
}

/// Stores the events; gives their place in memory back.
fn append(store: &mut Store, events: Vec<Event>, position: u64) -> anyhow::Result<Vec<Event>> {
    let ring_id = "bench".to_owned();
    let mut batch = Batch {
        events,
        ring: Some(RingPosition { ring_id, position }),
    };
    store.append(&batch, load::WALL_US)?;
    batch.events.clear();
    Ok(batch.events)
}

/// The rows as stored: of each the values that are not NULL, by parameter.
struct Rows(Vec<Vec<(usize, Value)>>);

impl Rows {
    fn read(database: &Path) -> anyhow::Result<Self> {
        let connection = Connection::open(database)?;
        let mut statement = connection.prepare(&format!("SELECT * FROM events_{SEGMENT}"))?;
        let columns = statement.column_count();
        let mut rows = Vec::new();
        let mut cursor = statement.query([])?;
        while let Some(row) = cursor.next()? {
            let mut values = Vec::with_capacity(16);
            for column in 0..columns {
                let value: Value = row.get(column)?;
                if value != Value::Null {
                    values.push((column + 1, value));
                }
            }
            values.shrink_to_fit();
            rows.push(values);
        }
        Ok(Self(rows))
    }

    /// Inserts the rows into a new database, set up as a trail is; CPU seconds. NULLs are not bound, which is
    /// the fastest that a prepared statement can be.
    fn insert(&self, database: &Path) -> anyhow::Result<f64> {
        let mut connection = Connection::open(database)?;
        connection.pragma_update(None, "page_size", PAGE_SIZE)?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.pragma_update(None, "cache_size", -64 * 1024)?;
        connection.pragma_update(None, "wal_autocheckpoint", 8192)?;
        connection.execute_batch(
            "CREATE TABLE sessions(session_key); CREATE TABLE commands(command_id);",
        )?;
        connection.execute_batch(&create_segment(SEGMENT))?;
        let started = cpu_s()?;
        for batch in self.0.chunks(BATCH_ROWS) {
            let transaction =
                connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let mut insert = transaction.prepare_cached(&insert_event(SEGMENT))?;
            for row in batch {
                insert.clear_bindings();
                for (parameter, value) in row {
                    insert.raw_bind_parameter(*parameter, value)?;
                }
                insert.raw_execute()?;
            }
            drop(insert);
            transaction.commit()?;
        }
        Ok(cpu_s()? - started)
    }
}

/// CPU time of this thread, user and system: the first number of `schedstat`, nanoseconds.
fn cpu_s() -> anyhow::Result<f64> {
    let text = fs::read_to_string("/proc/thread-self/schedstat")?;
    let spent = text.split(' ').next().context("no number in schedstat")?;
    let nanoseconds: f64 = spent.parse()?;
    Ok(nanoseconds / 1e9)
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(0.0)
}

fn rounded(value: f64, scale: f64) -> f64 {
    (value * scale).round() / scale
}
