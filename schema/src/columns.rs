//! The columns of `events`, in reading order.
//!
//! Names follow the OpenTelemetry database conventions (`db.query.text` is `db_query_text`).

/// Column type: what SQLite, Arrow and Parquet make of it is derived from this alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Type {
    /// 64-bit signed integer.
    Integer,
    /// Microseconds since the Unix epoch, UTC: INTEGER in SQLite, TIMESTAMP(MICROS, UTC) in Parquet.
    Time,
    /// True or false: 0 or 1 in SQLite, BOOLEAN in Parquet.
    Boolean,
    /// UTF-8 text.
    Text,
    /// UTF-8 text with few distinct values: dictionary-encoded in Parquet.
    Word,
    /// Bytes.
    Bytes,
}

/// One column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Column {
    /// Name on every side.
    pub name: &'static str,
    /// Type on every side.
    pub kind: Type,
    /// Whether a row may lack it.
    pub nullable: bool,
    /// What it says, with its unit.
    pub meaning: &'static str,
}

const fn column(name: &'static str, kind: Type, meaning: &'static str) -> Column {
    Column {
        name,
        kind,
        nullable: true,
        meaning,
    }
}

const fn required(name: &'static str, kind: Type, meaning: &'static str) -> Column {
    Column {
        name,
        kind,
        nullable: false,
        meaning,
    }
}

/// Every column of a row, in reading order. The SQLite view has `time_text` besides, right after `time`.
pub const COLUMNS: &[Column] = &[
    required(
        "seq",
        Type::Integer,
        "place in the trail, from 1, without gaps",
    ),
    required("time", Type::Time, "when the statement reached the server"),
    required(
        "kind",
        Type::Word,
        "query, connect, disconnect, auth_failure, row_change, loss, lifecycle or alert",
    ),
    column("db_system_name", Type::Word, "postgresql, mariadb or mysql"),
    column("server_version", Type::Word, "version of the server binary"),
    column("host_name", Type::Word, "host that the server runs on"),
    column(
        "server_pid",
        Type::Integer,
        "process that ran the statement",
    ),
    column(
        "session_id",
        Type::Text,
        "names the session on its server: %c of PostgreSQL, connection id of MariaDB and MySQL",
    ),
    column("db_user", Type::Word, "user who logged in"),
    column("db_namespace", Type::Word, "current database"),
    column(
        "client_address",
        Type::Word,
        "IP address of the client, `local` for a unix socket",
    ),
    column("client_port", Type::Integer, "TCP port of the client"),
    column(
        "application_name",
        Type::Word,
        "what the client calls itself",
    ),
    required(
        "command",
        Type::Word,
        "the engine's own name of the command (simple, execute, COM_QUERY ...); what happened, for lifecycle; the reason, for loss",
    ),
    column(
        "class",
        Type::Word,
        "READ, WRITE, DDL, ROLE, FUNCTION, MISC (pgaudit's classes)",
    ),
    column(
        "db_operation_name",
        Type::Word,
        "SELECT, INSERT, CREATE TABLE ...",
    ),
    column(
        "objects",
        Type::Word,
        "JSON list of the tables touched: name, read, written, and rows inserted, updated and deleted",
    ),
    column(
        "db_query_text",
        Type::Text,
        "the statement as the client sent it; bytes that are not UTF-8, and NUL, show as U+FFFD",
    ),
    column(
        "db_query_raw",
        Type::Bytes,
        "the statement's exact bytes, only where db_query_text could not hold them",
    ),
    column(
        "db_query_template",
        Type::Word,
        "the statement with `?` for each literal, comment and list of literals, else as written",
    ),
    column(
        "query_bytes",
        Type::Integer,
        "true length of the statement in bytes",
    ),
    column(
        "truncated",
        Type::Boolean,
        "whether less than query_bytes was recorded",
    ),
    column(
        "fingerprint",
        Type::Word,
        "32 hexadecimal digits; the same for statements of the same shape",
    ),
    column("parameters", Type::Text, "JSON list of the bind values"),
    column("status", Type::Word, "ok, error, running or unknown"),
    column(
        "status_code",
        Type::Word,
        "SQLSTATE (PostgreSQL) or error number (MariaDB, MySQL)",
    ),
    column("sqlstate", Type::Word, "SQLSTATE of an error"),
    column(
        "error_message",
        Type::Text,
        "the server's message; free text for lifecycle and loss",
    ),
    column("rows_returned", Type::Integer, "rows sent to the client"),
    column("rows_affected", Type::Integer, "rows changed"),
    column(
        "duration_us",
        Type::Integer,
        "from arrival to end, microseconds",
    ),
    required(
        "repeat_count",
        Type::Integer,
        "how many events this row stands for; for loss, how many were lost",
    ),
    column(
        "parent_seq",
        Type::Integer,
        "seq of the statement inside which this one ran",
    ),
    required(
        "message_seq",
        Type::Integer,
        "seq of the first row of the same client message",
    ),
];
