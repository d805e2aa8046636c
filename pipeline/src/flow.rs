//! The values that pass between the stages.
//!
//! decode > assemble give an [`Event`]; dedup splits its text into template and literals while the
//! store writes a [`Batch`] of them. Nothing here does anything.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// A word of our own source.
pub type Word = &'static str;

/// One row of the trail, before its text is split and before it is stored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Place in the trail; without gaps over all segments.
    pub seq: i64,
    /// `seq` of the first row of the same client message; equal to `seq` for most rows.
    pub message_seq: i64,
    /// Microseconds since the Unix epoch, UTC.
    pub time_us: i64,
    /// What the row tells of.
    pub kind: Kind,
    /// Who did it; none for the recorder's own rows.
    pub session: Option<Arc<Session>>,
    /// Engine's own name of the command (`COM_QUERY`, `simple`, `execute`), or what happened
    /// (lifecycle), or the reason (loss).
    #[serde(deserialize_with = "crate::assemble::word")]
    pub command: Word,
    /// The statement.
    pub text: Option<Text>,
    /// Bind values, JSON.
    pub parameters: Option<String>,
    /// Tables touched, JSON.
    pub objects: Option<String>,
    /// How it ended.
    pub status: Status,
    /// SQLSTATE (PostgreSQL) or error number (MariaDB, MySQL) of an error.
    pub status_code: Option<String>,
    /// SQLSTATE of an error.
    pub sqlstate: Option<String>,
    /// The server's message of an error; free text of a lifecycle or loss row.
    pub error_message: Option<String>,
    /// Rows sent to the client.
    pub rows_returned: Option<i64>,
    /// Rows changed.
    pub rows_affected: Option<i64>,
    /// From arrival to end, microseconds.
    pub duration_us: Option<i64>,
    /// How many equal events this row stands for (a loss: how many events were lost).
    pub repeat_count: i64,
    /// `seq` of the statement inside which this one ran.
    pub parent_seq: Option<i64>,
}

impl Event {
    /// A row that says only what it is and when; the rest is for the caller to fill in.
    #[must_use]
    pub fn new(seq: i64, time_us: i64, kind: Kind, command: &'static str) -> Self {
        Self {
            seq,
            message_seq: seq,
            time_us,
            kind,
            session: None,
            command,
            text: None,
            parameters: None,
            objects: None,
            status: Status::Ok,
            status_code: None,
            sqlstate: None,
            error_message: None,
            rows_returned: None,
            rows_affected: None,
            duration_us: None,
            repeat_count: 1,
            parent_seq: None,
        }
    }
}

/// A statement's text as the client sent it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Text {
    /// What was recorded of it, byte for byte.
    pub bytes: Vec<u8>,
    /// Its true length in bytes.
    pub len: u64,
    /// Whether `bytes` is less than the whole.
    pub truncated: bool,
}

/// Facts that hold for many events of one session; a change of any of them makes a new value.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Session {
    /// `postgresql`, `mariadb` or `mysql` (OpenTelemetry `db.system.name`).
    pub db_system_name: String,
    /// As the server binary names itself, e.g. `15.18`.
    pub server_version: Option<String>,
    /// Host that the server runs on.
    pub host_name: String,
    /// Process that ran the statement: the backend (PostgreSQL) or the server.
    pub server_pid: i64,
    /// Names the session uniquely on this server: `START.PID` in hexadecimal as PostgreSQL's `%c`
    /// does, or the connection id.
    pub session_id: String,
    /// User who logged in.
    pub db_user: Option<String>,
    /// Current database.
    pub db_namespace: Option<String>,
    /// Client's IP address, or `local` for a unix socket.
    pub client_address: Option<String>,
    /// Client's TCP port.
    pub client_port: Option<i64>,
    /// What the client calls itself.
    pub application_name: Option<String>,
    /// SQL dialect of the session's statements.
    pub dialect: Dialect,
}

/// SQL dialect, as far as reading a text needs it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Dialect {
    /// PostgreSQL.
    Postgres,
    /// MariaDB and MySQL.
    Mysql,
}

/// Kinds of rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Kind {
    /// A statement.
    Query,
    /// A session begins.
    Connect,
    /// A session ends.
    Disconnect,
    /// A login was refused.
    AuthFailure,
    /// Values of a changed row.
    RowChange,
    /// Something was not recorded: the reason is in `command`, the number in `repeat_count`.
    Loss,
    /// Something happened to the recorder itself; what, is in `command`.
    Lifecycle,
    /// A rule fired.
    Alert,
}

impl Kind {
    /// The word that is stored.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Query => "query",
            Self::Connect => "connect",
            Self::Disconnect => "disconnect",
            Self::AuthFailure => "auth_failure",
            Self::RowChange => "row_change",
            Self::Loss => "loss",
            Self::Lifecycle => "lifecycle",
            Self::Alert => "alert",
        }
    }
}

/// How a statement ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Status {
    /// Without an error.
    Ok,
    /// With an error.
    Error,
    /// It had not ended when the row was written.
    Running,
    /// Its end was not seen.
    Unknown,
}

impl Status {
    /// The word that is stored.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Error => "error",
            Self::Running => "running",
            Self::Unknown => "unknown",
        }
    }
}

/// A place in a ring that outlives the process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RingPosition {
    /// Names the ring: a new one for every ring that was ever created.
    pub ring_id: String,
    /// Everything before this position is accounted for.
    pub position: u64,
}

/// What is stored in one transaction.
#[derive(Debug, Default)]
pub struct Batch {
    /// Rows in order of `seq`, which continues the store's last one without a gap.
    pub events: Vec<Event>,
    /// How far the ring is accounted for by these rows, when they came from one.
    pub ring: Option<RingPosition>,
}
