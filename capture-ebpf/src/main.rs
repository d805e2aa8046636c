//! The probes: the list of entry points, one per hooked function.
//!
//! Takes what a server has in its registers and memory when it begins or ends a statement, gives
//! records in the ring (`capture-common::record`). It notices, copies and counts; it decides nothing.
#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    clippy::needless_pass_by_value,
    reason = "registers and fields of the server are taken for what its own code takes them for; \
              the macros hand contexts over by value"
)]
#![cfg_attr(target_arch = "bpf", no_std, no_main, feature(asm_experimental_arch))]

mod bound;
mod emit;
mod hash;
mod maps;
mod mysql;
mod objects;
mod postgres;
mod read;
mod relation;
mod session;
mod text;
mod thread;

use aya_ebpf::{
    macros::{raw_tracepoint, uprobe, uretprobe},
    programs::{ProbeContext, RawTracePointContext, RetProbeContext},
};
use capture_common::ids::hook;

/// `PortalRun(Portal portal, long count, bool isTopLevel, ...)`
#[uprobe(sleepable)]
fn pg_portal_run(ctx: ProbeContext) -> u32 {
    postgres::begin(&ctx);
    0
}

/// `EndCommand(const QueryCompletion *qc, CommandDest dest, ...)`
#[uprobe(sleepable)]
fn pg_end_command(ctx: ProbeContext) -> u32 {
    postgres::end(&ctx);
    0
}

/// `EmitErrorReport(void)`
#[uprobe(sleepable)]
fn pg_emit_error(ctx: ProbeContext) -> u32 {
    postgres::error(&ctx);
    0
}

/// `NullCommand(CommandDest dest)`
#[uprobe(sleepable)]
fn pg_null_command(ctx: ProbeContext) -> u32 {
    postgres::empty(&ctx);
    0
}

/// `BeginReportingGUCOptions(void)`
#[uprobe(sleepable)]
fn pg_connect(ctx: ProbeContext) -> u32 {
    postgres::connect(&ctx);
    0
}

/// `pgstat_report_appname(const char *appname)`
#[uprobe(sleepable)]
fn pg_application(_ctx: ProbeContext) -> u32 {
    postgres::application();
    0
}

/// `ExecInitScanTupleSlot(EState *, ScanState *, TupleDesc, ...)`
#[uprobe(sleepable)]
fn pg_scan(ctx: ProbeContext) -> u32 {
    relation::scan(&ctx);
    0
}

/// `InitResultRelInfo(ResultRelInfo *, Relation, ...)`
#[uprobe(sleepable)]
fn pg_result(ctx: ProbeContext) -> u32 {
    relation::result(&ctx);
    0
}

/// `BeginCopyTo(ParseState *, Relation, ...)`
#[uprobe(sleepable)]
fn pg_copy_to(ctx: ProbeContext) -> u32 {
    relation::copy_to(&ctx);
    0
}

/// `pgstat_count_heap_insert(Relation, PgStat_Counter n)`
#[uprobe(sleepable)]
fn pg_insert(ctx: ProbeContext) -> u32 {
    relation::count(&ctx, hook::PG_INSERT, relation::Count::Inserted);
    0
}

/// `pgstat_count_heap_update(Relation, ...)`
#[uprobe(sleepable)]
fn pg_update(ctx: ProbeContext) -> u32 {
    relation::count(&ctx, hook::PG_UPDATE, relation::Count::Updated);
    0
}

/// `pgstat_count_heap_delete(Relation)`
#[uprobe(sleepable)]
fn pg_delete(ctx: ProbeContext) -> u32 {
    relation::count(&ctx, hook::PG_DELETE, relation::Count::Deleted);
    0
}

/// `get_namespace_oid(const char *name, bool missing_ok)`
#[uprobe(sleepable)]
fn pg_schema(ctx: ProbeContext) -> u32 {
    relation::schema_asked(&ctx, hook::PG_SCHEMA, 0);
    0
}

/// `Oid` of `get_namespace_oid` and `NamespaceCreate`
#[uretprobe(sleepable)]
fn pg_schema_return(ctx: RetProbeContext) -> u32 {
    relation::schema_told(&ctx, false);
    0
}

/// `NamespaceCreate(const char *name, Oid owner, bool is_temporary)`
#[uprobe(sleepable)]
fn pg_schema_create(ctx: ProbeContext) -> u32 {
    relation::schema_asked(&ctx, hook::PG_SCHEMA_CREATE, 0);
    0
}

/// `RenameSchema(const char *old, const char *new)`
#[uprobe(sleepable)]
fn pg_schema_rename(ctx: ProbeContext) -> u32 {
    relation::schema_asked(&ctx, hook::PG_SCHEMA_RENAME, 1);
    0
}

/// `ObjectAddress` of `RenameSchema`
#[uretprobe(sleepable)]
fn pg_schema_rename_return(ctx: RetProbeContext) -> u32 {
    relation::schema_told(&ctx, true);
    0
}

/// `dispatch_command(enum_server_command, THD *, char *packet, uint length, ...)` (MariaDB) or
/// `dispatch_command(THD *, const COM_DATA *, enum_server_command)` (MySQL)
#[uprobe(sleepable)]
fn my_dispatch(ctx: ProbeContext) -> u32 {
    mysql::begin(&ctx);
    0
}

/// `log_slow_statement(THD *)`
#[uprobe(sleepable)]
fn my_statement_end(ctx: ProbeContext) -> u32 {
    mysql::end(&ctx);
    0
}

/// `Protocol::net_send_error_packet(THD *, uint errno, const char *message, const char *sqlstate)`
#[uprobe(sleepable)]
fn my_send_error(ctx: ProbeContext) -> u32 {
    mysql::error(&ctx);
    0
}

/// `prepare_new_connection_state(THD *)`
#[uprobe(sleepable)]
fn my_connect(ctx: ProbeContext) -> u32 {
    mysql::connect(&ctx);
    0
}

/// `end_connection(THD *)`
#[uprobe(sleepable)]
fn my_disconnect(ctx: ProbeContext) -> u32 {
    mysql::disconnect(&ctx);
    0
}

/// `Statement_map::insert(THD *, Statement *)` (MariaDB) or
/// `Prepared_statement_map::insert(Prepared_statement *)` (MySQL)
#[uprobe(sleepable)]
fn my_prepared(ctx: ProbeContext) -> u32 {
    mysql::values::prepared(&ctx);
    0
}

/// `mysql_lock_tables(THD *, TABLE **, size_t count, uint flags)`
#[uprobe(sleepable)]
fn my_lock_tables(ctx: ProbeContext) -> u32 {
    mysql::tables::locked(&ctx);
    0
}

/// `handler::ha_write_row(const uchar *)`, `ha_update_row`, `ha_delete_row`
#[uprobe(sleepable)]
fn my_row(ctx: ProbeContext) -> u32 {
    mysql::tables::row(&ctx);
    0
}

/// Return of `handler::ha_write_row`
#[uretprobe(sleepable)]
fn my_row_written(ctx: RetProbeContext) -> u32 {
    mysql::tables::row_done(&ctx, 0);
    0
}

/// Return of `handler::ha_update_row`
#[uretprobe(sleepable)]
fn my_row_updated(ctx: RetProbeContext) -> u32 {
    mysql::tables::row_done(&ctx, 1);
    0
}

/// Return of `handler::ha_delete_row`
#[uretprobe(sleepable)]
fn my_row_deleted(ctx: RetProbeContext) -> u32 {
    mysql::tables::row_done(&ctx, 2);
    0
}

/// `acl_authenticate(THD *, enum_server_command)`
#[uprobe(sleepable)]
fn my_login(ctx: ProbeContext) -> u32 {
    mysql::login(&ctx);
    0
}

/// Return of `acl_authenticate`
#[uretprobe(sleepable)]
fn my_logged_in(ctx: RetProbeContext) -> u32 {
    mysql::logged_in(&ctx);
    0
}

/// `mysql_execute_command(THD *, ...)`
#[uprobe(sleepable)]
fn my_sub_begin(ctx: ProbeContext) -> u32 {
    mysql::inside::begin(&ctx);
    0
}

/// Return of `mysql_execute_command`
#[uretprobe(sleepable)]
fn my_sub_end(ctx: RetProbeContext) -> u32 {
    mysql::inside::end(&ctx);
    0
}

/// A thread of any process ends: what was kept of it is dropped.
#[raw_tracepoint(tracepoint = "sched_process_exit")]
fn thread_exit(_ctx: RawTracePointContext) -> i32 {
    thread::forget();
    0
}

#[cfg(target_arch = "bpf")]
#[panic_handler]
fn panic(_info: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}

#[cfg(target_arch = "bpf")]
#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";

// On the host the crate only type-checks and runs its unit tests.
#[cfg(not(target_arch = "bpf"))]
fn main() {}
