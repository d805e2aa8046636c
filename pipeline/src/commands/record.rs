//! `sqltrail record`

use std::{net::SocketAddr, path::PathBuf};

use anyhow::Context;
use capture::pins::FOLDER_DEFAULT;

use crate::{
    config::{
        Source,
        file::{File, Literals},
        load,
        value::Bytes,
    },
    record::{self, Options, Settings},
};

/// Records what servers are asked, until SIGINT or SIGTERM. SIGHUP reads the configuration again.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Engine name, process id or binary path of each server to record [default: every server, now and later]
    #[arg(value_name = "SERVER")]
    servers: Vec<String>,

    /// Configuration [default: /etc/sqltrail/sqltrail.toml, if it is there]; flags override its keys
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,

    /// Leave the probes on when recording ends; they record into the ring until the next start
    #[arg(long)]
    keep_probes: bool,

    /// Folder in the BPF file system where the probes are pinned
    #[arg(long, value_name = "PATH", default_value = FOLDER_DEFAULT)]
    pin_path: PathBuf,

    #[command(flatten)]
    flags: Flags,
}

/// Flags that stand for keys of the configuration.
#[derive(Debug, Clone, Default, clap::Args)]
pub(super) struct Flags {
    /// Most bytes recorded of one statement; its true length is always recorded [default: 64KiB]
    #[arg(long, value_name = "BYTES")]
    max_query_bytes: Option<Bytes>,

    /// Size of the ring between kernel and recorder, a power of two [default: 64MiB]
    #[arg(long, value_name = "BYTES")]
    ring_bytes: Option<Bytes>,

    /// Leave out bind values
    #[arg(long)]
    no_parameters: bool,

    /// Most bytes recorded of one bind value [default: 1KiB]
    #[arg(long, value_name = "BYTES")]
    max_parameter_bytes: Option<Bytes>,

    /// Leave out the tables that each statement touches
    #[arg(long)]
    no_objects: bool,

    /// Record the statements inside functions, procedures and triggers, too
    #[arg(long)]
    sub_statements: bool,

    /// Store literals, or `?` in place of each [default: keep]
    #[arg(long, value_name = "WHAT")]
    literals: Option<Literals>,

    /// Serve the recorder's numbers at http://ADDRESS:PORT/metrics, for Prometheus
    #[arg(long, value_name = "ADDRESS:PORT")]
    metrics: Option<SocketAddr>,
}

impl Flags {
    /// Overrides what the file says.
    fn apply(&self, file: &mut File) {
        fn set<T: Copy>(key: &mut T, flag: Option<T>) {
            *key = flag.unwrap_or(*key);
        }
        let record = &mut file.record;
        set(&mut record.max_query_bytes, self.max_query_bytes);
        set(&mut record.ring_bytes, self.ring_bytes);
        set(&mut record.parameters, self.no_parameters.then_some(false));
        set(&mut record.max_parameter_bytes, self.max_parameter_bytes);
        set(&mut record.objects, self.no_objects.then_some(false));
        set(
            &mut record.sub_statements,
            self.sub_statements.then_some(true),
        );
        set(&mut record.literals, self.literals);
        record.metrics = self.metrics.or(record.metrics);
    }
}

/// Runs the command.
///
/// # Errors
///
/// When the configuration cannot be used, or recording cannot start or go on.
pub fn run(args: Args, dir: PathBuf) -> anyhow::Result<()> {
    let source = Source::new(args.config);
    let (servers, flags) = (args.servers, args.flags);
    let settings = Settings::new(move || {
        load(&source, |file| {
            if !servers.is_empty() {
                file.record.servers.clone_from(&servers);
            }
            flags.apply(file);
        })
    })?;
    let options = Options {
        settings,
        pin_path: args.pin_path,
        keep_probes: args.keep_probes,
        ..Options::new(dir)
    };
    let shown = options.dir.display().to_string();
    record::run(options, |servers| {
        tracing::info!("recording: {servers} servers attached");
    })
    .with_context(|| format!("cannot record into {shown}"))
}
