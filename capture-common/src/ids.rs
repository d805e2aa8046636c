//! Numbers that cross from the kernel to user space. A number is never reused for another meaning.

/// Kinds of ring records, [`crate::record::Header::kind`].
pub mod kind {
    /// Who is connected; precedes the first statement of a session and every change of identity.
    pub const SESSION: u16 = 1;
    /// A statement begins; carries the first part of its text.
    pub const BEGIN: u16 = 2;
    /// Further text of the same call.
    pub const TEXT: u16 = 3;
    /// A statement, or a piece of a text with several statements, ended.
    pub const END: u16 = 4;
    /// An outcome with no statement begun: a syntax error, an unknown table, a failed login, an
    /// empty statement.
    pub const FAILURE: u16 = 5;
    /// The thread that served the session is gone.
    pub const SESSION_END: u16 = 6;
    /// The command that last began on the thread is over, whether or not it reported an end.
    pub const COMMAND_END: u16 = 7;
    /// A login succeeded: the session begins.
    pub const CONNECT: u16 = 8;
    /// A session that had begun ends (MariaDB, MySQL; elsewhere its thread's end says so).
    pub const DISCONNECT: u16 = 9;
    /// Bind values of the call, in the form that the server has them.
    pub const PARAMETERS: u16 = 10;
    /// One bind value of the call that is not in its `PARAMETERS` record.
    pub const VALUE: u16 = 11;
    /// A table that the call, or the piece of it that ends next, has touched.
    pub const OBJECT: u16 = 12;
    /// A statement begins inside another (a function, procedure, trigger); carries the first part of
    /// its text.
    pub const SUB_BEGIN: u16 = 13;
    /// A statement inside another ended.
    pub const SUB_END: u16 = 14;
    /// A prepared statement came to be, or was closed (MariaDB, MySQL).
    pub const PREPARED: u16 = 15;
}

/// Bits of [`crate::record::Header::flags`].
pub mod flag {
    /// More text of this call follows in `TEXT` records.
    pub const MORE: u16 = 1;
    /// The text ends with this record.
    pub const LAST: u16 = 2;
    /// The text is longer than what is recorded of it.
    pub const CUT: u16 = 4;
    /// Some of the text could not be read from the server's memory.
    pub const UNREADABLE: u16 = 8;
    /// A further piece of the text that an earlier `BEGIN` of this thread (`message_call`) carried.
    pub const PIECE: u16 = 16;
    /// On `FAILURE`: no session was established (a failed login).
    pub const LOGIN: u16 = 32;
    /// On `END`: reported from within a prepared statement or stored program, not by the command
    /// itself, which may or may not report its own end after it (MariaDB, MySQL).
    pub const NESTED: u16 = 64;
    /// On `PREPARED`: the statement was closed. On `PARAMETERS` of the form `LONG_DATA`: the parts that
    /// came before are thrown away.
    pub const CLOSED: u16 = 128;
}

/// Engines, [`crate::target::Target::engine`].
pub mod engine {
    /// PostgreSQL: one process a session.
    pub const POSTGRES: u32 = 1;
    /// MariaDB: one thread a statement.
    pub const MARIADB: u32 = 2;
    /// MySQL and its relatives with the `COM_DATA` form of `dispatch_command`.
    pub const MYSQL: u32 = 3;
}

/// What is recorded besides statements and sessions: bits of [`crate::target::Target::features`].
pub mod feature {
    /// Bind values.
    pub const PARAMETERS: u32 = 1;
    /// Tables touched by each statement.
    pub const OBJECTS: u32 = 2;
    /// Statements inside functions, procedures and triggers.
    pub const SUB_STATEMENTS: u32 = 4;
    /// Only the processes in the map `PIDS` that are marked [`super::pass::ONLY`].
    pub const ONLY_PIDS: u32 = 1 << 16;
    /// Not the processes in the map `PIDS` that are marked [`super::pass::NOT`].
    pub const NOT_PIDS: u32 = 1 << 17;
    /// The same for the users in the map `UIDS`.
    pub const ONLY_UIDS: u32 = 1 << 18;
    /// The same for the users in the map `UIDS`.
    pub const NOT_UIDS: u32 = 1 << 19;
    /// Any of the four.
    pub const PROCESSES: u32 = ONLY_PIDS | NOT_PIDS | ONLY_UIDS | NOT_UIDS;
}

/// What an entry of the maps `PIDS` and `UIDS` says.
pub mod pass {
    /// It is recorded, and what is not marked so is not.
    pub const ONLY: u32 = 1;
    /// It is not recorded.
    pub const NOT: u32 = 2;
}

/// How bind values stand in a `PARAMETERS` record, [`crate::record::Parameters::form`].
pub mod parameter_form {
    /// PostgreSQL's `ParamExternData`s: 16 bytes each.
    pub const POSTGRES: u32 = 1;
    /// The packet of a MariaDB `COM_STMT_EXECUTE` or `COM_STMT_BULK_EXECUTE`.
    pub const PACKET: u32 = 2;
    /// MySQL's `PS_PARAM`s.
    pub const MYSQL: u32 = 3;
    /// A part of a long value that comes before its statement is executed (`COM_STMT_SEND_LONG_DATA`):
    /// no data, `count` is the statement's number, and the part follows as a `VALUE`.
    pub const LONG_DATA: u32 = 4;
}

/// What was done to a table: bits of [`crate::record::Object::access`].
pub mod access {
    /// It was read.
    pub const READ: u32 = 1;
    /// It was opened for changes.
    pub const WRITE: u32 = 2;
    /// The numbers of changed rows are known.
    pub const COUNTED: u32 = 4;
}

/// Hooks: the index of each probe's address in [`crate::target::Target::hook_address`].
pub mod hook {
    /// `PortalRun`: a PostgreSQL statement begins.
    pub const PG_PORTAL_RUN: usize = 0;
    /// `EndCommand`: a PostgreSQL statement ended well.
    pub const PG_END_COMMAND: usize = 1;
    /// `EmitErrorReport`: an error (also a notice) is reported.
    pub const PG_EMIT_ERROR: usize = 2;
    /// `NullCommand`: an empty statement.
    pub const PG_NULL_COMMAND: usize = 3;
    /// `BeginReportingGUCOptions`: a PostgreSQL client has logged in.
    pub const PG_CONNECT: usize = 4;
    /// `dispatch_command`: a MariaDB or MySQL command begins.
    pub const MY_DISPATCH: usize = 5;
    /// `log_slow_statement`: a MariaDB or MySQL statement, or piece of a text, ended.
    pub const MY_STATEMENT_END: usize = 6;
    /// The server sends an error packet, also outside any command.
    pub const MY_SEND_ERROR: usize = 7;
    /// `prepare_new_connection_state`: a MariaDB client has logged in.
    pub const MY_CONNECT: usize = 8;
    /// `end_connection`: a MariaDB or MySQL session ends that had begun.
    pub const MY_DISCONNECT: usize = 9;
    /// `ExecInitScanTupleSlot`: a PostgreSQL plan starts to scan a relation.
    pub const PG_SCAN: usize = 10;
    /// `InitResultRelInfo`: a relation is opened for changes.
    pub const PG_RESULT: usize = 11;
    /// `pgstat_count_heap_insert`: rows were inserted.
    pub const PG_INSERT: usize = 12;
    /// `pgstat_count_heap_update`: a row was updated.
    pub const PG_UPDATE: usize = 13;
    /// `pgstat_count_heap_delete`: a row was deleted.
    pub const PG_DELETE: usize = 14;
    /// `BeginCopyTo`: a relation is copied out.
    pub const PG_COPY_TO: usize = 15;
    /// `get_namespace_oid`: a schema is looked up by its name.
    pub const PG_SCHEMA: usize = 16;
    /// `NamespaceCreate`: a schema is made.
    pub const PG_SCHEMA_CREATE: usize = 17;
    /// `RenameSchema`: a schema gets another name.
    pub const PG_SCHEMA_RENAME: usize = 18;
    /// `ExecutorRun`: a PostgreSQL plan is executed.
    pub const PG_EXECUTOR_RUN: usize = 19;
    /// `ExecutorFinish`: it was executed.
    pub const PG_EXECUTOR_FINISH: usize = 36;
    /// `ProcessUtility`: a PostgreSQL utility statement is executed.
    pub const PG_UTILITY: usize = 37;
    /// `Statement_map::insert`: a MariaDB or MySQL statement is prepared.
    pub const MY_PREPARED: usize = 20;
    /// `mysql_lock_tables`: the tables of a MariaDB or MySQL statement are locked.
    pub const MY_LOCK_TABLES: usize = 21;
    /// `handler::ha_write_row`: a row is inserted.
    pub const MY_WRITE_ROW: usize = 22;
    /// `handler::ha_update_row`.
    pub const MY_UPDATE_ROW: usize = 23;
    /// `handler::ha_delete_row`.
    pub const MY_DELETE_ROW: usize = 24;
    /// `acl_authenticate`: a MySQL client logs in.
    pub const MY_LOGIN: usize = 25;
    /// `mysql_execute_command`: a statement of MariaDB or MySQL begins, also inside another.
    pub const MY_SUB: usize = 26;
    /// `pgstat_report_appname`: a PostgreSQL session's application gets another name.
    pub const PG_APPLICATION: usize = 27;
    /// How many there are room for.
    pub const MAX: usize = 40;
}

/// Reasons for a loss: the index of each counter in the `DROPS` map.
pub mod drop_reason {
    /// The ring had no room for the record that begins or describes a statement.
    pub const RING_FULL: u32 = 0;
    /// The ring had no room for a part of a statement's text.
    pub const RING_FULL_TEXT: u32 = 1;
    /// The ring had no room for a statement's outcome.
    pub const RING_FULL_END: u32 = 2;
    /// The table of sessions was full.
    pub const SESSIONS_FULL: u32 = 3;
    /// The server's memory could not be read where a statement's text should be.
    pub const UNREADABLE: u32 = 4;
    /// A probe fired for a target that is not in the table.
    pub const NO_TARGET: u32 = 5;
    /// A statement ended that had begun before the probes were attached.
    pub const NO_BEGIN: u32 = 6;
    /// The ring had no room for a session's identity, which the next statements lack, or for its
    /// beginning or end.
    pub const RING_FULL_SESSION: u32 = 7;
    /// The ring had no room for bind values, a touched table, or a statement inside another.
    pub const RING_FULL_DETAIL: u32 = 8;
    /// How many there are.
    pub const MAX: u32 = 9;

    /// The name of each reason, as it stands in a `loss` row.
    pub const NAMES: [&str; MAX as usize] = [
        "ring_full",
        "ring_full_text",
        "ring_full_end",
        "sessions_full",
        "unreadable_memory",
        "unknown_target",
        "no_begin",
        "ring_full_session",
        "ring_full_detail",
    ];
}
