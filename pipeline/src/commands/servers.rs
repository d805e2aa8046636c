//! `sqltrail servers`

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use capture::{doctor::findings, elf::Image, resolve::resolve, servers::scan};
use rusqlite::types::ValueRef;

use super::doctor;
use crate::output::{Format, Output};

/// Lists the database servers that run, and what of each can be recorded.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// How to print
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,

    /// Say how each fact of the server that this process runs was found
    #[arg(long, value_name = "PID")]
    explain: Option<u32>,
}

const COLUMNS: [&str; 7] = [
    "system",
    "version",
    "pid",
    "listening",
    "hooks",
    "missing",
    "exe",
];

/// Runs the command.
///
/// # Errors
///
/// When the processes cannot be looked through, or nothing can be printed.
pub fn run(args: &Args) -> anyhow::Result<()> {
    match args.explain {
        Some(pid) => explain(pid, args.format),
        None => list(args.format),
    }
}

fn explain(pid: u32, format: Format) -> anyhow::Result<()> {
    let exe = PathBuf::from(format!("/proc/{pid}/exe"));
    let resolved = Image::open(&exe)
        .map_err(anyhow::Error::from)
        .and_then(|image| Ok(resolve(&image)?))
        .with_context(|| format!("cannot explain process {pid}"))?;
    let name = [
        resolved.engine.name(),
        resolved.version.as_deref().unwrap_or_default(),
    ]
    .join(" ");
    doctor::print(&findings(name.trim_end(), &resolved), format)
}

fn list(format: Format) -> anyhow::Result<()> {
    let found = scan(Path::new("/proc"))?;
    let mut output = Output::stdout();
    let mut rows = output.rows(format, COLUMNS.map(str::to_owned).to_vec())?;
    for server in &found.servers {
        let resolved = Image::open(&server.attach_path)
            .map_err(anyhow::Error::from)
            .and_then(|image| Ok(resolve(&image)?));
        let (hooks, missing) = match resolved {
            Ok(resolved) => (
                resolved.hooks.len().to_string(),
                resolved.missing().join(" "),
            ),
            Err(error) => ("none".to_owned(), format!("{error:#}")),
        };
        let pids: Vec<String> = server.pids.iter().map(ToString::to_string).collect();
        let values = [
            server.engine.name().to_owned(),
            server.version.clone().unwrap_or_default(),
            pids.join(" "),
            server.listening.join(" "),
            hooks,
            missing,
            server.exe.display().to_string(),
        ];
        rows.row(
            &values
                .each_ref()
                .map(|value| ValueRef::Text(value.as_bytes())),
        )?;
    }
    rows.finish()?;
    for skipped in found.skipped {
        tracing::warn!(pid = skipped.pid, "{:#}", anyhow::Error::new(skipped.why));
    }
    if found.servers.is_empty() {
        tracing::warn!("no PostgreSQL, MariaDB or MySQL server is running");
    }
    Ok(())
}
