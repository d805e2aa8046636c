//! The `sqltrail` command: raw arguments in, one command run, exit code out.
#![forbid(unsafe_code)]

use std::{error::Error, path::PathBuf, process::ExitCode};

use capture::attach::CaptureError;
use clap::{Parser, Subcommand};
use sqltrail::{
    commands, compact::CompactError, config::error::ConfigError, exit, output::unless_closed,
    query::QueryError, record::RecordError, retain::RetainError, store::error::StoreError,
};

/// A flight recorder for SQL databases.
#[derive(Debug, Parser)]
#[command(version, after_help = exit::HELP)]
struct Cli {
    /// Folder of the trail
    #[arg(
        long,
        global = true,
        env = "SQLTRAIL_DIR",
        default_value = "/var/lib/sqltrail",
        value_name = "DIR"
    )]
    dir: PathBuf,

    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Record what servers are asked, until SIGINT or SIGTERM; SIGHUP reads the configuration again
    Record(commands::record::Args),
    /// List the database servers that run, and what of each can be recorded
    Servers(commands::servers::Args),
    /// Say whether this machine and its servers can be recorded, and what each lacks
    Doctor(commands::doctor::Args),
    /// Remove the probes that a recorder has left
    Detach(commands::detach::Args),
    /// Say how recording goes
    Status(commands::status::Args),
    /// Show the newest events, and go on with new ones
    Tail(commands::tail::Args),
    /// Answer a saved question; without a name, list them
    Query(commands::query::Args),
    /// Make Parquet files of what is sealed
    Compact(commands::compact::Args),
    /// Let segments go that are older, or more, than the configuration says
    Retain(commands::retain::Args),
    /// Keep rows of a time, whatever the limits say
    Hold(commands::hold::Args),
    /// Say whether the trail is whole
    Verify(commands::verify::Args),
    /// Check a configuration
    Config(commands::config::Args),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    log();
    let result = match cli.command {
        Command::Record(args) => commands::record::run(args, cli.dir).map(|()| ExitCode::SUCCESS),
        Command::Servers(args) => commands::servers::run(&args).map(|()| ExitCode::SUCCESS),
        Command::Doctor(args) => commands::doctor::run(&args),
        Command::Detach(args) => commands::detach::run(&args).map(|()| ExitCode::SUCCESS),
        Command::Status(args) => commands::status::run(&args, &cli.dir),
        Command::Tail(args) => commands::tail::run(&args, &cli.dir),
        Command::Query(args) => commands::query::run(&args, &cli.dir),
        Command::Compact(args) => commands::compact::run(&args, &cli.dir),
        Command::Retain(args) => commands::retain::run(&args, &cli.dir),
        Command::Hold(args) => commands::hold::run(&args, &cli.dir),
        Command::Verify(args) => commands::verify::run(&args, &cli.dir),
        Command::Config(args) => commands::config::run(args).map(|()| ExitCode::SUCCESS),
    };
    unless_closed(result.map(Some)).map_or_else(
        |error| report(&error),
        |code| code.unwrap_or(ExitCode::SUCCESS),
    )
}

/// Everything but data goes to standard error; `SQLTRAIL_LOG` sets how much.
fn log() {
    let filter = tracing_subscriber::EnvFilter::try_from_env("SQLTRAIL_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_target(false)
        .with_ansi(false)
        .without_time()
        .init();
}

fn report(error: &anyhow::Error) -> ExitCode {
    tracing::error!("{error:#}");
    if let Some(hint) = error.chain().find_map(hint) {
        tracing::error!("hint: {hint}");
    }
    exit::Exit::Failed.into()
}

/// What the user can do about an error, when it says so.
fn hint<'a>(cause: &'a (dyn Error + 'static)) -> Option<&'a str> {
    fn of<'a, E: Error + 'static>(cause: &'a (dyn Error + 'static)) -> Option<&'a E> {
        cause.downcast_ref()
    }
    of(cause)
        .and_then(StoreError::hint)
        .or_else(|| of(cause).and_then(RecordError::hint))
        .or_else(|| of(cause).and_then(CaptureError::hint))
        .or_else(|| of(cause).and_then(CompactError::hint))
        .or_else(|| of(cause).and_then(RetainError::hint))
        .or_else(|| of(cause).and_then(QueryError::hint))
        .or_else(|| of(cause).and_then(ConfigError::hint))
}
