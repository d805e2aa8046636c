//! Damaged and hostile files: whatever the bytes are, the answer is an error or absent fields.

use proptest::collection::vec;
use proptest::prelude::*;

use super::{resolve, sample};
use crate::elf::Image;

/// Everything that the resolver looks at in any engine.
const SYMBOLS: [&str; 40] = [
    "PortalRun",
    "MyProcPort",
    "EndCommand",
    "EmitErrorReport",
    "NullCommand",
    "GetCurrentStatementStartTimestamp",
    "SetCurrentStatementStartTimestamp",
    "geterrcode",
    "errcode",
    "errmsg",
    "pstrdup",
    "pfree",
    "FreeErrorData",
    "pg_re_throw",
    "hba_getauthmethod",
    "get_role_oid",
    "inet_client_addr",
    "inet_client_port",
    "pg_getnameinfo_all",
    "PortalDefineQuery",
    "list_member_ptr",
    "list_member_int",
    "GetCommandTagName",
    "pg_plan_queries",
    "_Z16dispatch_command19enum_server_commandP3THDPcjb",
    "_Z16dispatch_commandP3THDPK8COM_DATA19enum_server_command",
    "_Z18log_slow_statementP3THD",
    "thd_query_string",
    "thd_get_thread_id",
    "thd_user_name",
    "thd_client_host",
    "thd_client_ip",
    "thd_current_db",
    "thd_get_error_number",
    "thd_get_error_message",
    "thd_current_status",
    "_Z16thd_query_unsafeP3THD",
    "_ZN16Diagnostics_area13set_ok_statusEyyPKc",
    "_ZN16Diagnostics_area16set_error_statusEjPKcS1_",
    "_Z22thd_prepare_connectionP3THD",
];

/// A file that exports `SYMBOLS` from the `first` one on, each with one of the codes.
fn file(codes: &[Vec<u8>], first: usize) -> Vec<u8> {
    let functions: Vec<_> = SYMBOLS
        .iter()
        .zip(codes.iter().cycle())
        .skip(first)
        .map(|(name, code)| (*name, code.as_slice()))
        .collect();
    sample::elf(&functions)
}

/// Whether the bytes were understood as a server; what matters is that there is an answer.
fn answers(bytes: Vec<u8>) -> bool {
    Image::parse(bytes).is_ok_and(|image| resolve(&image).is_ok())
}

/// Code for which the required fields of all engines are found.
fn plausible() -> Vec<Vec<u8>> {
    // mov %rdx,0x38(%rdi); mov 8(%rdi),%rax; mov 0x10(%rdi),%rdx; ret
    vec![b"\x48\x89\x57\x38\x48\x8b\x47\x08\x48\x8b\x57\x10\xc3".to_vec()]
}

#[test]
fn the_undamaged_file_is_a_server() {
    assert!(answers(file(&plausible(), 0)), "postgres");
    let mysql = SYMBOLS
        .iter()
        .position(|name| name.ends_with("COM_DATA19enum_server_command"));
    assert!(answers(file(&plausible(), mysql.unwrap())), "mysql");
}

#[test]
fn every_truncation_has_an_answer() {
    let whole = file(&plausible(), 0);
    for length in 0..whole.len() {
        answers(whole[..length].to_vec());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn mutations_have_an_answer(
        changes in vec((any::<prop::sample::Index>(), any::<u8>()), 1..40),
        headers in vec((0_usize..0x200, any::<u8>()), 0..4),
    ) {
        let mut bytes = file(&plausible(), 0);
        for (at, byte) in &changes {
            *at.get_mut(&mut bytes) = *byte;
        }
        for (at, byte) in headers {
            bytes[at] = byte;
        }
        answers(bytes);
    }

    #[test]
    fn any_code_has_an_answer(
        codes in vec(vec(any::<u8>(), 1..200), 1..12),
        first in prop::sample::select(vec![0, 24, 25]),
    ) {
        answers(file(&codes, first));
    }

    #[test]
    fn any_bytes_have_an_answer(bytes in vec(any::<u8>(), 0..600)) {
        let mut magic = b"\x7fELF\x02\x01\x01".to_vec();
        magic.extend(&bytes);
        answers(bytes);
        answers(magic);
    }
}
