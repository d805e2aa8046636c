//! What the supervisor tells the ingest thread.

use crate::assemble::Target;

/// One thing that the ingest thread must know or put on record.
#[derive(Debug)]
pub enum Notice {
    /// A server binary is about to be attached: its records will carry this index.
    Target(u32, Target),
    /// Something happened to the recorder: the row's `command` and free text.
    Lifecycle(&'static str, String),
    /// Recording ends: the probes are off, what is in the ring is the last.
    Stop,
}
