//! What user space tells the probes about one server binary: where its facts are.
//!
//! One [`Target`] per attached binary (inode) stands in the `TARGETS` map; the attach cookie of each
//! probe is its index there.

use crate::ids::hook;

/// How many binaries can be watched at once: the size of the `TARGETS` map.
pub const TARGETS_MAX: u32 = 64;

/// How many processes, and how many users, can be chosen: the size of `PIDS` and `UIDS`.
pub const PROCESSES_MAX: u32 = 256;

/// A struct offset that could not be resolved: the field is left out.
pub const ABSENT: u32 = u32::MAX;

/// A virtual address that could not be resolved.
pub const NO_ADDRESS: u64 = 0;

/// One server binary.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// See [`crate::ids::engine`].
    pub engine: u32,
    /// Text beyond this many bytes of a statement is not recorded.
    pub text_max: u32,
    /// Bits of [`crate::ids::feature`].
    pub features: u32,
    /// Bytes of one bind value beyond this are not recorded.
    pub parameter_max: u32,
    /// Address (`st_value` scale) at which each hook is attached, after any `endbr64`;
    /// the load base of a process is its instruction pointer less this.
    pub hook_address: [u64; hook::MAX],
    /// Read when `engine` is PostgreSQL.
    pub postgres: PostgresLayout,
    /// Read when `engine` is MariaDB or MySQL.
    pub mysql: MysqlLayout,
}

/// Where PostgreSQL keeps its facts. Addresses are `st_value` scale, offsets in bytes.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct PostgresLayout {
    /// `MyProcPort`: `Port *`, NULL in processes that serve no client.
    pub my_proc_port: u64,
    /// `MyStartTimestamp`: microseconds since 2000-01-01 UTC at which this backend started.
    pub my_start_timestamp: u64,
    /// `application_name`: `char *`.
    pub application_name: u64,
    /// `debug_query_string`: `char *`, the text the client sent, NULL when idle.
    pub debug_query_string: u64,
    /// Static behind `GetCurrentStatementStartTimestamp`: microseconds since 2000-01-01 UTC.
    pub statement_start: u64,
    /// Static `errordata`: array of `ErrorData`.
    pub errordata: u64,
    /// Static `errordata_stack_depth`: `int` index into it.
    pub errordata_depth: u64,
    /// `PostmasterPid`: `pid_t`.
    pub postmaster_pid: u64,
    /// `MyDatabaseId`: `Oid`.
    pub my_database: u64,
    /// `sizeof(ErrorData)`.
    pub errordata_size: u32,
    /// `ErrorData.sqlerrcode`: `int`, five characters of six bits.
    pub error_sqlstate: u32,
    /// `ErrorData.message`: `char *`.
    pub error_message: u32,
    /// The value of `ERROR` for `ErrorData.elevel`, which is the first field; the next one is `FATAL`.
    pub error_level: u32,
    /// `Port.user_name`: `char *`.
    pub port_user: u32,
    /// `Port.database_name`: `char *`.
    pub port_database: u32,
    /// `Port.raddr.addr`: `struct sockaddr_storage`.
    pub port_remote: u32,
    /// `PortalData.portalParams`: `ParamListInfo`.
    pub portal_parameters: u32,
    /// `PortalData.queryDesc`: `QueryDesc *`.
    pub portal_query: u32,
    /// `QueryDesc.estate`: `EState *`.
    pub query_state: u32,
    /// `ParamListInfoData.numParams`: `int`; the list follows at the next multiple of eight.
    pub parameter_count: u32,
    /// `ScanState.ss_currentRelation`: `Relation`.
    pub scan_relation: u32,
    /// `PlanState.plan`: `Plan *`.
    pub node_plan: u32,
    /// `Scan.scanrelid`: place of the relation, from 1.
    pub scan_place: u32,
    /// `EState.es_relations`: `Relation *`, an array.
    pub state_relations: u32,
    /// Always 0.
    pub reserved: u32,
    /// `RelationData.rd_id`: `Oid`.
    pub relation_oid: u32,
    /// `RelationData.rd_rel`: `Form_pg_class`.
    pub relation_class: u32,
    /// `FormData_pg_class.relname`: 64 characters, with the schema's OID behind them.
    pub class_name: u32,
    /// `PortalData.sourceText`: `char *`.
    pub portal_text: u32,
    /// `PortalData.stmts`: `List *` of `PlannedStmt *`.
    pub portal_statements: u32,
    /// `List.elements` (13 and later) or `List.head` (12): pointer to the first of the cells, which
    /// begins with its datum.
    pub list_elements: u32,
    /// `PlannedStmt.stmt_location`: `int`; `stmt_len` is the next `int`.
    pub statement_location: u32,
    /// 1 where `EndCommand` takes a `QueryCompletion *` (13 and later), 0 where it takes a string.
    pub end_command_completion: u32,
}

/// Where MariaDB and MySQL keep their facts. All are offsets in bytes.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct MysqlLayout {
    /// Bit `n % 64` of word `n / 64` is set when command `n` is to be recorded.
    pub commands: [u64; 4],
    /// `THD` > statement text: `char *`, then its length (`size_t`).
    pub thd_query: u32,
    /// `THD` > connection id.
    pub thd_thread_id: u32,
    /// Bytes of the connection id: 4 or 8.
    pub thd_thread_id_size: u32,
    /// `THD` > `Security_context *`.
    pub thd_security: u32,
    /// `Security_context` > user: `char *`.
    pub security_user: u32,
    /// `Security_context` > host name: `char *`.
    pub security_host: u32,
    /// `Security_context` > IP address: `char *`.
    pub security_ip: u32,
    /// `THD` > current database: `char *`, then its length (`size_t`).
    pub thd_database: u32,
    /// `THD` > `Diagnostics_area *`.
    pub thd_diagnostics: u32,
    /// `Diagnostics_area` > status: `int`.
    pub diagnostics_status: u32,
    /// The status value that means an error.
    pub status_error: u32,
    /// The status value that means OK with an affected-rows count.
    pub status_ok: u32,
    /// The status value that means a result set was sent.
    pub status_eof: u32,
    /// `Diagnostics_area` > error number: `unsigned`.
    pub diagnostics_errno: u32,
    /// `Diagnostics_area` > SQLSTATE: five characters and NUL.
    pub diagnostics_sqlstate: u32,
    /// `Diagnostics_area` > message: characters and NUL.
    pub diagnostics_message: u32,
    /// `Diagnostics_area` > affected rows: `unsigned long long`.
    pub diagnostics_affected: u32,
    /// `THD` > rows sent: `unsigned long long`.
    pub thd_sent_rows: u32,
    /// `THD` > peer port: `u16`.
    pub thd_peer_port: u32,
    /// Bytes of `dispatch_command` from its hooked address; a statement end called from elsewhere is
    /// that of a statement inside a stored program. [`ABSENT`] when not known.
    pub dispatch_size: u32,
    /// Prepared statement (`Statement`, `Prepared_statement`) > its number in the protocol.
    pub statement_id: u32,
    /// `TABLE` > `TABLE_SHARE *`.
    pub table_share: u32,
    /// `handler` > `TABLE_SHARE *`.
    pub handler_share: u32,
    /// `TABLE_SHARE` > cache key: `char *` to schema and table, each with a NUL behind it, then the
    /// length of the whole (`size_t`).
    pub share_key: u32,
    /// `TABLE` > lock type: `int`, from 2 on.
    pub table_lock: u32,
    /// How many lock types from 2 on are for reading, less one.
    pub lock_reads: u32,
}

const _: () = {
    assert!(size_of::<PostgresLayout>() == 9 * 8 + 24 * 4);
    assert!(size_of::<MysqlLayout>() == 4 * 8 + 26 * 4);
    assert!(size_of::<Target>() == 16 + 8 * hook::MAX + 168 + 136);
    assert!(size_of::<Target>().is_multiple_of(8));
};
