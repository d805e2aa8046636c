//! What the kernel half records, and how much of it.

use capture_common::ids::feature;

/// Default size of the ring: half a minute of 10,000 statements a second of 200 bytes each.
pub const RING_BYTES_DEFAULT: u32 = 64 << 20;

/// Default of the most bytes recorded of one text.
pub const TEXT_MAX_DEFAULT: u32 = 64 << 10;

/// Default of the most bytes recorded of one bind value.
pub const PARAMETER_MAX_DEFAULT: u32 = 1 << 10;

/// The most that can be configured for one bind value: what one record holds.
pub const PARAMETER_MAX_LIMIT: u32 = 32 << 10;

/// The most that can be configured for one text.
pub const TEXT_MAX_LIMIT: u32 = 16 << 20;

/// How to load the kernel half.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Size of the ring in bytes: a power of two, at least 1 MiB.
    pub ring_bytes: u32,
    /// Most bytes recorded of one text.
    pub text_max: u32,
    /// Whether bind values are recorded.
    pub parameters: bool,
    /// Most bytes recorded of one bind value.
    pub parameter_max: u32,
    /// Whether the tables that each statement touches are recorded.
    pub objects: bool,
    /// Whether statements inside functions, procedures and triggers are recorded.
    pub sub_statements: bool,
}

impl Options {
    /// What is recorded besides statements and sessions, as bits of [`feature`].
    pub(super) fn features(&self) -> u32 {
        let bit = |on, bit| if on { bit } else { 0 };
        bit(self.parameters, feature::PARAMETERS)
            | bit(self.objects, feature::OBJECTS)
            | bit(self.sub_statements, feature::SUB_STATEMENTS)
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            ring_bytes: RING_BYTES_DEFAULT,
            text_max: TEXT_MAX_DEFAULT,
            parameters: true,
            parameter_max: PARAMETER_MAX_DEFAULT,
            objects: true,
            sub_statements: false,
        }
    }
}

/// Which processes are recorded.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Processes {
    /// Only these; every one when empty. Backends go with their postmaster.
    pub pids: Vec<u32>,
    /// None of these.
    pub not_pids: Vec<u32>,
    /// Only those of these users; of every one when empty.
    pub uids: Vec<u32>,
    /// None of these users' processes.
    pub not_uids: Vec<u32>,
}
