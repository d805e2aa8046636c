//! `sqltrail record`

use std::path::PathBuf;

use anyhow::Context;
use capture::attach::{RING_BYTES_DEFAULT, TEXT_MAX_DEFAULT, TEXT_MAX_LIMIT};

use crate::record::{self, Options};

/// Records what servers are asked, until SIGINT, SIGTERM or SIGHUP.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Engine name, process id or binary path of each server to record [default: every server, now and later]
    #[arg(value_name = "SERVER")]
    servers: Vec<String>,

    /// Most bytes recorded of one statement; its true length is always recorded
    #[arg(long, value_name = "BYTES", value_parser = text_bytes, default_value_t = TEXT_MAX_DEFAULT)]
    max_query_bytes: u32,

    /// Size of the ring between kernel and recorder, a power of two
    #[arg(long, value_name = "BYTES", value_parser = ring_bytes, default_value_t = RING_BYTES_DEFAULT)]
    ring_bytes: u32,

    /// Leave out bind values
    #[arg(long)]
    no_parameters: bool,

    /// Leave out the tables that each statement touches
    #[arg(long)]
    no_objects: bool,

    /// Record the statements inside functions, procedures and triggers, too
    #[arg(long)]
    sub_statements: bool,
}

/// Runs the command.
///
/// # Errors
///
/// When recording cannot start or go on.
pub fn run(args: Args, dir: PathBuf) -> anyhow::Result<()> {
    let options = Options {
        servers: args.servers,
        capture: capture::attach::Options {
            ring_bytes: args.ring_bytes,
            text_max: args.max_query_bytes,
            parameters: !args.no_parameters,
            objects: !args.no_objects,
            sub_statements: args.sub_statements,
            ..capture::attach::Options::default()
        },
        ..Options::new(dir)
    };
    record::run(&options, |servers| {
        tracing::info!("recording: {servers} servers attached");
    })
    .with_context(|| format!("cannot record into {}", options.dir.display()))
}

fn text_bytes(text: &str) -> Result<u32, String> {
    let bytes = bytes(text)?;
    if (256..=TEXT_MAX_LIMIT).contains(&bytes) {
        Ok(bytes)
    } else {
        Err(format!("must be from 256 to {TEXT_MAX_LIMIT}"))
    }
}

fn ring_bytes(text: &str) -> Result<u32, String> {
    const LEAST: u32 = 1 << 20;
    const MOST: u32 = 1 << 30;
    let bytes = bytes(text)?;
    if bytes.is_power_of_two() && (LEAST..=MOST).contains(&bytes) {
        Ok(bytes)
    } else {
        Err(format!("must be a power of two from {LEAST} to {MOST}"))
    }
}

/// A number of bytes: digits, with `KiB`, `MiB` or `GiB` behind them or not.
fn bytes(text: &str) -> Result<u32, String> {
    let split = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (digits, unit) = text.split_at(split);
    let factor = match unit.trim() {
        "" | "B" => 1,
        "K" | "KiB" => 1 << 10,
        "M" | "MiB" => 1 << 20,
        "G" | "GiB" => 1 << 30,
        other => {
            return Err(format!(
                "unknown unit {other:?}; KiB, MiB and GiB are known"
            ));
        }
    };
    let number: u32 = digits
        .parse()
        .map_err(|_| "must start with a number".to_owned())?;
    number
        .checked_mul(factor)
        .ok_or_else(|| "too large".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        let cases: &[(&str, Option<u32>)] = &[
            ("256", Some(256)),
            ("64KiB", Some(65_536)),
            ("1MiB", Some(1 << 20)),
            ("1 MiB", Some(1 << 20)),
            ("255", None),
            ("17MiB", None),
            ("MiB", None),
            ("1MB", None),
            ("99999999999", None),
            ("4GiB", None),
        ];
        for (text, expected) in cases {
            assert_eq!(text_bytes(text).ok(), *expected, "{text}");
        }
        assert_eq!(ring_bytes("64MiB"), Ok(64 << 20));
        assert!(ring_bytes("3MiB").is_err());
        assert!(ring_bytes("512KiB").is_err());
    }
}
