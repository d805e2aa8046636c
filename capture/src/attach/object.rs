//! The object with the kernel half: its programs and maps, and which hooks each program is for.

use std::{fmt::Write as _, sync::OnceLock};

use capture_common::ids::hook;
use object::{Object as _, ObjectSection as _, ObjectSymbol as _};
use sha2::{Digest as _, Sha256};

use super::error::CaptureError;
use crate::resolve::{Hook, Resolved};

/// The kernel half, as `capture-ebpf/build` makes it from source.
pub(super) static OBJECT: &[u8] = aya::include_bytes_aligned!("../../prebuilt/capture.bpf.o");

/// Programs of each hook, by its index in [`hook`]: what fires at its entry comes first.
pub(super) const PROGRAMS: [(usize, &str); 35] = [
    (hook::PG_PORTAL_RUN, "pg_portal_run"),
    (hook::PG_END_COMMAND, "pg_end_command"),
    (hook::PG_EMIT_ERROR, "pg_emit_error"),
    (hook::PG_NULL_COMMAND, "pg_null_command"),
    (hook::PG_CONNECT, "pg_connect"),
    (hook::PG_APPLICATION, "pg_application"),
    (hook::MY_DISPATCH, "my_dispatch"),
    (hook::MY_STATEMENT_END, "my_statement_end"),
    (hook::MY_SEND_ERROR, "my_send_error"),
    (hook::MY_CONNECT, "my_connect"),
    (hook::MY_DISCONNECT, "my_disconnect"),
    (hook::PG_SCAN, "pg_scan"),
    (hook::PG_RESULT, "pg_result"),
    (hook::PG_COPY_TO, "pg_copy_to"),
    (hook::PG_INSERT, "pg_insert"),
    (hook::PG_UPDATE, "pg_update"),
    (hook::PG_DELETE, "pg_delete"),
    (hook::PG_SCHEMA, "pg_schema"),
    (hook::PG_SCHEMA, "pg_schema_return"),
    (hook::PG_SCHEMA_CREATE, "pg_schema_create"),
    (hook::PG_SCHEMA_CREATE, "pg_schema_return"),
    (hook::PG_SCHEMA_RENAME, "pg_schema_rename"),
    (hook::PG_SCHEMA_RENAME, "pg_schema_rename_return"),
    (hook::MY_PREPARED, "my_prepared"),
    (hook::MY_LOCK_TABLES, "my_lock_tables"),
    (hook::MY_WRITE_ROW, "my_row"),
    (hook::MY_UPDATE_ROW, "my_row"),
    (hook::MY_DELETE_ROW, "my_row"),
    (hook::MY_WRITE_ROW, "my_row_written"),
    (hook::MY_UPDATE_ROW, "my_row_updated"),
    (hook::MY_DELETE_ROW, "my_row_deleted"),
    (hook::MY_LOGIN, "my_login"),
    (hook::MY_LOGIN, "my_logged_in"),
    (hook::MY_SUB, "my_sub_begin"),
    (hook::MY_SUB, "my_sub_end"),
];

/// Commands of MariaDB and MySQL that are recorded (`enum enum_server_command`): those that run
/// something or change the server. Not `QUIT`, `FIELD_LIST`, `STATISTICS`, `PING`, `STMT_CLOSE`,
/// `STMT_RESET`, `STMT_FETCH` and the like, which belong to a statement that is recorded or to none.
const COMMANDS: [u8; 17] = [
    2, 3, 5, 6, 7, 8, 12, 13, 17, 18, 19, 21, 22, 23, 30, 31, 250,
];

pub(super) fn command_mask() -> [u64; 4] {
    let mut mask = [0; 4];
    for command in COMMANDS {
        mask[usize::from(command / 64)] |= 1 << (command % 64);
    }
    mask
}

/// Names the object that the programs are from: its SHA-256 in hexadecimal.
#[must_use]
pub fn object_id() -> &'static str {
    static ID: OnceLock<String> = OnceLock::new();
    ID.get_or_init(|| hex(&Sha256::digest(OBJECT)))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string cannot fail.
        _ = write!(text, "{byte:02x}");
        text
    })
}

/// Names of the maps that the programs share, which must be the same for those of two recorders.
pub(super) fn map_names() -> Result<Vec<String>, CaptureError> {
    let missing = || CaptureError::Missing("maps");
    let file = object::File::parse(OBJECT).map_err(|_| missing())?;
    let section = file.section_by_name("maps").ok_or_else(missing)?.index();
    Ok(file
        .symbols()
        .filter(|symbol| symbol.section_index() == Some(section))
        .filter_map(|symbol| symbol.name().ok())
        .filter(|name| !name.is_empty())
        .map(str::to_owned)
        .collect())
}

/// The probes that a binary needs to record what `features` say: programs, and where they are attached.
pub(super) fn needed(
    resolved: &Resolved,
    features: u32,
) -> impl Iterator<Item = (&'static str, &Hook)> {
    let wanted = move |hook: &&Hook| hook.feature == 0 || hook.feature & features != 0;
    resolved.hooks.iter().filter(wanted).flat_map(|hook| {
        PROGRAMS
            .iter()
            .filter(|(id, _)| *id == hook.id)
            .map(move |(_, name)| (*name, hook))
    })
}

/// What a probe's pin is called: the program, and the byte of the file where it is attached.
pub(super) fn link_name(program: &str, hook: &Hook) -> String {
    format!("{program}-{:x}", hook.file_offset)
}
