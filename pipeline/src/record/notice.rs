//! What the supervisor tells the ingest thread.

use std::sync::Arc;

use crate::{
    assemble::Target,
    config::{Config, file::Literals, filter::Filter},
};

/// One thing that the ingest thread must know or put on record.
#[derive(Debug)]
pub enum Notice {
    /// A server binary is about to be attached: its records will carry this index.
    Target(u32, Target),
    /// Settings for what is read from now on.
    Settings {
        /// Which statements are left out.
        filter: Arc<Filter>,
        /// What becomes of literals.
        literals: Literals,
        /// Bytes of one bind value at most.
        parameter_max: usize,
    },
    /// Something happened to the recorder: the row's `command` and free text.
    Lifecycle(&'static str, String),
    /// The main process of a server has ended, and with it every session: what it was.
    Ended(i32, String),
    /// The main processes of all servers that run: the sessions of others have ended while no recorder ran.
    Running(Vec<i32>),
    /// Something was not recorded between two times, microseconds since the epoch: the row's `command`.
    Gap(&'static str, i64, i64),
    /// This many records of another version were not read: the reason.
    Unread(&'static str, i64),
    /// The disk is full, so that nothing more is read, or no more so.
    Pause(bool),
    /// The disk is full, so that recording ends: how full.
    Halt(String),
    /// Recording ends, and the probes go on.
    Leave,
    /// Recording ends: the probes are off, what is in the ring is the last.
    Stop,
}

impl Notice {
    /// What of `config` the ingest thread goes by.
    #[must_use]
    pub fn settings(config: &Config) -> Self {
        Self::Settings {
            filter: Arc::clone(config.filter()),
            literals: config.literals(),
            parameter_max: usize::try_from(config.capture().parameter_max).unwrap_or(usize::MAX),
        }
    }
}
