//! What the configuration file says: its sections and keys, with their defaults.
//!
//! The keys here are a promise to whoever wrote a file: none is renamed or given another meaning.

use std::net::SocketAddr;

use capture::attach;
use serde::{Deserialize, Serialize};

use super::{
    amount::{Age, Size},
    filter::Rule,
    value::Bytes,
};

/// The whole file.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct File {
    /// `[record]`
    pub record: Record,
    /// `[kernel]`
    pub kernel: Kernel,
    /// `[retention]`
    pub retention: Retention,
    /// `[disk]`
    pub disk: Disk,
    /// `[[filter]]`, in order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub filter: Vec<Rule>,
}

/// What is recorded, and how much of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Record {
    /// Engine name, process id or binary path of each server; every server when empty.
    pub servers: Vec<String>,
    /// Most bytes of one statement.
    pub max_query_bytes: Bytes,
    /// Size of the ring between kernel and recorder.
    pub ring_bytes: Bytes,
    /// Whether bind values are recorded.
    pub parameters: bool,
    /// Most bytes of one bind value.
    pub max_parameter_bytes: Bytes,
    /// Whether the tables that a statement touches are recorded.
    pub objects: bool,
    /// Whether statements inside functions, procedures and triggers are recorded.
    pub sub_statements: bool,
    /// What becomes of literals.
    pub literals: Literals,
    /// Where the recorder's numbers are served; nowhere when not set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metrics: Option<SocketAddr>,
}

impl Default for Record {
    fn default() -> Self {
        let capture = attach::Options::default();
        Self {
            servers: Vec::new(),
            max_query_bytes: Bytes(capture.text_max),
            ring_bytes: Bytes(capture.ring_bytes),
            parameters: capture.parameters,
            max_parameter_bytes: Bytes(capture.parameter_max),
            objects: capture.objects,
            sub_statements: capture.sub_statements,
            literals: Literals::default(),
            metrics: None,
        }
    }
}

/// What becomes of literals before a row is stored.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Literals {
    /// They are stored.
    #[default]
    Keep,
    /// `?` stands for each; bind values are left out.
    Mask,
}

/// Which processes the probes pass over.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Kernel {
    /// Only these processes; every one when empty. A postmaster's backends go with it.
    pub pids: Vec<u32>,
    /// All but these processes.
    pub exclude_pids: Vec<u32>,
    /// Only processes of these users; of every one when empty.
    pub uids: Vec<u32>,
    /// None of these users' processes.
    pub exclude_uids: Vec<u32>,
}

/// How long rows are kept, and how many; what is not set is no limit.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Retention {
    /// How old rows in SQLite get.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hot_age: Option<Age>,
    /// How many bytes of rows SQLite has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hot_bytes: Option<Size>,
    /// How old rows get anywhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total_age: Option<Age>,
    /// How many bytes the Parquet files have.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total_bytes: Option<Size>,
}

/// What is done when the disk of the trail fills.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Disk {
    /// Free space below which that is said.
    pub warn_free: Size,
    /// Free space below which something is done.
    pub act_free: Size,
    /// What.
    pub on_disk_full: OnDiskFull,
}

impl Default for Disk {
    fn default() -> Self {
        Self {
            warn_free: Size::of(1 << 30),
            act_free: Size::of(64 << 20),
            on_disk_full: OnDiskFull::default(),
        }
    }
}

/// What is done when the disk is full, as far as the recorder is concerned.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnDiskFull {
    /// Nothing more is stored: the ring holds what it can, and what it cannot is counted.
    #[default]
    StopReading,
    /// The oldest segments go, but for those that are held; when there are none, as above.
    DropOldestArchive,
    /// Recording ends.
    Halt,
}
