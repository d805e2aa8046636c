//! `sqltrail config`

use std::path::PathBuf;

use crate::{
    config::{Source, load},
    output::Output,
};

/// What to do with a configuration.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Print the effective settings, or what is wrong with the file
    Check {
        /// The file [default: /etc/sqltrail/sqltrail.toml, if it is there]
        #[arg(value_name = "FILE")]
        file: Option<PathBuf>,
    },
}

/// Runs the command.
///
/// # Errors
///
/// When the configuration cannot be used.
pub fn run(args: Args) -> anyhow::Result<()> {
    match args.what {
        What::Check { file } => {
            let config = load(&Source::new(file), |_| {})?;
            let mut output = Output::stdout();
            for line in config.to_toml().lines() {
                output.line(line)?;
            }
            Ok(output.flush()?)
        }
    }
}
