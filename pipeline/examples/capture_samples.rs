//! Records what the probes put into the ring while a command runs: raw samples for tests and fuzzing.
//!
//! ```text
//! capture_samples OUT ENGINE USER COMMAND [ARGUMENT...]
//! ```
//! Writes `OUT.ring`, each record as a `u32` length and its bytes, and `OUT.json`, which says what
//! the decoder's caller must know besides: clocks and server. Keeps the records of USER's sessions
//! alone, so that other clients of the servers do not matter. Needs root; changes no server.
//! `testdata/samples/record.py` makes the committed samples with it.

use std::{
    collections::HashSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context as _, bail, ensure};
use capture::{
    attach::{Capture, Options, Source},
    elf::Image,
    pins::Pins,
    resolve::resolve,
    ring::{Ring, clocks},
    servers::Scanner,
};
use serde_json::json;
use sqltrail::decode::{Record, decode};

/// Most bytes of a text: little, so that a sample with a cut text is small.
const TEXT_MAX: u32 = 4096;

/// Where probes are pinned meanwhile.
const PINS: &str = "/sys/fs/bpf/sqltrail-samples";

/// How long a server may take to end its sessions once the command is over.
const SETTLE: Duration = Duration::from_millis(500);

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [out, engine, user, command, rest @ ..] = &arguments[..] else {
        bail!("usage: capture_samples OUT ENGINE USER COMMAND [ARGUMENT...]");
    };
    let out = PathBuf::from(out);

    let pins = Pins::open(Path::new(PINS))?;
    pins.begin(&[])?;
    let options = Options {
        text_max: TEXT_MAX,
        ..Options::default()
    };
    let (mut capture, Source { mut ring, drops }) = Capture::load(options, pins)?;
    let scan = Scanner::new(Path::new("/proc")).scan()?;
    let server = scan
        .servers
        .iter()
        .find(|server| server.engine.name() == engine);
    let server = server.with_context(|| format!("no {engine} runs"))?;
    let resolved = resolve(&Image::open(&server.attach_path)?)?;
    let index = capture.prepare(&resolved)?;
    capture.attach(index, server)?;

    let status = Command::new(command).args(rest).status()?;
    ring.wait(SETTLE)?;
    capture.detach_all();
    capture.into_pins().remove()?;
    ensure!(
        drops.read()?.iter().all(|count| *count == 0),
        "records were lost"
    );
    let (boot_ns, wall_ns) = clocks();
    println!("{}: {command} ended with {status}", out.display());

    let records = of_user(&read(&mut ring), user.as_bytes());
    ensure!(!records.is_empty(), "{user} did nothing on {engine}");
    fs::write(out.with_extension("ring"), framed(&records)?)?;
    let about = json!({
        "target": index,
        "engine": resolved.engine.id(),
        "version": resolved.version,
        "tags": resolved.tags,
        "boot_ns": boot_ns,
        "wall_ns": wall_ns,
    });
    fs::write(out.with_extension("json"), format!("{about}\n"))?;
    Ok(())
}

fn read(ring: &mut Ring) -> Vec<Vec<u8>> {
    std::iter::from_fn(|| ring.next_record().map(|record| record.bytes.to_vec())).collect()
}

/// The records of the sessions of `user`. A session is a thread and an id.
fn of_user(records: &[Vec<u8>], user: &[u8]) -> Vec<Vec<u8>> {
    let decoded = || {
        records
            .iter()
            .filter_map(|bytes| Some((bytes, decode(bytes).ok()?)))
    };
    let sessions: HashSet<(u64, u64)> = decoded()
        .filter_map(|(_, record)| match record {
            Record::Session(session, [name, ..]) if name == Some(user) => {
                Some((session.header.pid_tgid, session.header.session))
            }
            _ => None,
        })
        .collect();
    decoded()
        .filter(|(_, record)| {
            sessions.contains(&(record.header().pid_tgid, record.header().session))
        })
        .map(|(bytes, _)| bytes.clone())
        .collect()
}

fn framed(records: &[Vec<u8>]) -> anyhow::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    for record in records {
        bytes.extend_from_slice(&u32::try_from(record.len())?.to_le_bytes());
        bytes.extend_from_slice(record);
    }
    Ok(bytes)
}
