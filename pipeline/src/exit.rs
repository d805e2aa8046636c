//! Exit codes, the same for every command.

use std::process::ExitCode;

/// How the program ends when it does not succeed. 0 is success, also when the reader of the output
/// went away; 2 is a command line that cannot be understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Something failed; the message says what.
    Failed = 1,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// For `--help`.
pub const HELP: &str = "Exit codes: 0 success; 1 something failed, the last lines of standard error say what; \
                        2 the command line cannot be understood.";
