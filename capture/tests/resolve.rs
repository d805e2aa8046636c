//! The resolver against the servers that this machine has installed.
//!
//! The expected values were read from headers and from live servers, not from the resolver.

#![allow(clippy::unwrap_used, reason = "a test ends at what is unexpected")]

use std::collections::BTreeMap;
use std::path::Path;

use capture::elf::Image;
use capture::resolve::{Engine, Resolved, resolve};
use capture_common::ids::hook;
use capture_common::target::{ABSENT, NO_ADDRESS};

/// Resolves the binary, or says why the test cannot run on this machine.
fn installed(path: &str) -> Option<(Image, Resolved)> {
    if !Path::new(path).exists() {
        eprintln!("not run: {path} is not installed");
        return None;
    }
    let image = Image::open(Path::new(path)).unwrap();
    let resolved = resolve(&image).unwrap();
    Some((image, resolved))
}

fn check_fields(resolved: &Resolved, expected: &[(&str, u64)]) {
    let found: BTreeMap<_, _> = resolved
        .fields
        .iter()
        .map(|field| (field.name, field.value))
        .collect();
    for (name, value) in expected {
        assert_eq!(found.get(name), Some(&Some(*value)), "{name}");
    }
    for field in &resolved.fields {
        assert!(
            field.value.is_some(),
            "{}: {}",
            field.name,
            field.why_missing
        );
        assert!(!field.how.is_empty(), "{}", field.name);
    }
}

/// Hooks as index, first instruction and whether the kernel emulates it.
fn check_hooks(image: &Image, resolved: &Resolved, expected: &[(usize, &str, bool)]) {
    let found: Vec<_> = resolved
        .hooks
        .iter()
        .map(|hook| (hook.id, hook.first_instruction.as_str(), hook.cheap))
        .collect();
    assert_eq!(found, expected);
    assert!(resolved.hooks_missing.is_empty());
    for hook in &resolved.hooks {
        assert!(!hook.looks_inlined(), "{}", hook.name);
        assert_eq!(resolved.target.hook_address[hook.id], hook.attach_vaddr);
        let code = image.code_from(hook.attach_vaddr).unwrap();
        assert!(
            !code.starts_with(&[0xf3, 0x0f, 0x1e, 0xfa]),
            "{} is at endbr64",
            hook.name
        );
        assert_eq!(image.file_offset(hook.attach_vaddr), Some(hook.file_offset));
    }
    let unused = resolved
        .target
        .hook_address
        .iter()
        .filter(|at| **at == NO_ADDRESS)
        .count();
    assert_eq!(unused, hook::MAX - expected.len());
}

#[test]
fn postgresql_15() {
    let Some((image, resolved)) = installed("/usr/lib/postgresql/15/bin/postgres") else {
        return;
    };
    assert_eq!(resolved.engine, Engine::Postgres);
    assert!(resolved.version.as_deref().unwrap().starts_with("15."));
    check_hooks(
        &image,
        &resolved,
        &[
            (hook::PG_PORTAL_RUN, "push rbp", true),
            (hook::PG_END_COMMAND, "push rbp", true),
            (hook::PG_EMIT_ERROR, "push rbp", true),
            (hook::PG_NULL_COMMAND, "sub edi", false),
            (hook::PG_CONNECT, "cmp", false),
            (hook::PG_APPLICATION, "push rbp", true),
            (hook::PG_SCAN, "push rbp", true),
            (hook::PG_RESULT, "push rbp", true),
            (hook::PG_INSERT, "push rbp", true),
            (hook::PG_UPDATE, "push rbp", true),
            (hook::PG_DELETE, "push rbp", true),
            (hook::PG_COPY_TO, "push rbp", true),
            (hook::PG_SCHEMA, "push rbp", true),
            (hook::PG_SCHEMA_CREATE, "push rbp", true),
            (hook::PG_SCHEMA_RENAME, "push rbp", true),
        ],
    );
    check_fields(
        &resolved,
        &[
            ("port_user", 0x150),
            ("port_database", 0x148),
            ("port_remote", 0x98),
            ("portal_text", 0x38),
            ("portal_statements", 0x58),
            ("portal_parameters", 0x68),
            ("portal_query", 0x90),
            ("query_state", 0x50),
            ("parameter_count", 0x38),
            ("scan_relation", 0xc8),
            ("node_plan", 8),
            ("scan_place", 0x68),
            ("state_relations", 0x28),
            ("relation_oid", 0x48),
            ("relation_class", 0x38),
            ("class_name", 4),
            ("list_elements", 0x10),
            ("statement_location", 0x78),
            ("errordata_size", 0xb8),
            ("error_sqlstate", 0x30),
            ("error_message", 0x38),
            ("error_level", 21),
        ],
    );
    let layout = resolved.target.postgres;
    for (symbol, address) in [
        ("MyProcPort", layout.my_proc_port),
        ("MyStartTimestamp", layout.my_start_timestamp),
        ("application_name", layout.application_name),
        ("debug_query_string", layout.debug_query_string),
        ("PostmasterPid", layout.postmaster_pid),
        ("MyDatabaseId", layout.my_database),
    ] {
        assert_eq!(
            image.symbol(symbol).map(|symbol| symbol.address),
            Some(address),
            "{symbol}"
        );
    }
    // Statics have no symbol; they are data, so no file bytes of code stand there.
    for address in [
        layout.statement_start,
        layout.errordata,
        layout.errordata_depth,
    ] {
        assert_ne!(address, NO_ADDRESS);
        assert!(image.code_from(address).is_none());
    }
    assert_eq!(layout.end_command_completion, 1);
    assert_eq!(resolved.target.mysql.thd_query, ABSENT);

    let tag = |number: usize| resolved.tags.get(number).map(String::as_str);
    assert_eq!(resolved.tags.len(), 192);
    for (number, name) in [
        (0, "???"),
        (46, "BEGIN"),
        (56, "COPY"),
        (103, "DELETE"),
        (158, "INSERT"),
        (178, "SELECT"),
        (190, "UPDATE"),
        (191, "VACUUM"),
    ] {
        assert_eq!(tag(number), Some(name));
    }
}

#[test]
fn mariadb_10_11() {
    let Some((image, resolved)) = installed("/usr/sbin/mariadbd") else {
        return;
    };
    assert_eq!(resolved.engine, Engine::MariaDb);
    let version = resolved.version.as_deref().unwrap();
    assert!(
        version.starts_with("10.11.") && version.ends_with("-MariaDB"),
        "{version}"
    );
    check_hooks(
        &image,
        &resolved,
        &[
            (hook::MY_DISPATCH, "push rbp", true),
            (hook::MY_STATEMENT_END, "push rbp", true),
            (hook::MY_SEND_ERROR, "push rbp", true),
            (hook::MY_DISCONNECT, "push rbp", true),
            (hook::MY_PREPARED, "push rbp", true),
            (hook::MY_LOCK_TABLES, "push rbp", true),
            (hook::MY_WRITE_ROW, "push rbp", true),
            (hook::MY_UPDATE_ROW, "push rbp", true),
            (hook::MY_DELETE_ROW, "push rbp", true),
            (hook::MY_SUB, "push rbp", true),
            (hook::MY_CONNECT, "push rbp", true),
        ],
    );
    check_fields(
        &resolved,
        &[
            ("thd_query", 0x68),
            ("thd_thread_id", 0x3f18),
            ("thd_thread_id_size", 8),
            ("thd_security", 0x25f8),
            ("security_user", 8),
            ("security_host", 0),
            ("security_ip", 0x10),
            ("thd_database", 0xa0),
            ("thd_diagnostics", 0x62e0),
            ("diagnostics_status", 0x234),
            ("status_error", 5),
            ("diagnostics_errno", 8),
            ("diagnostics_sqlstate", 0),
            ("diagnostics_message", 0x1a),
            ("diagnostics_affected", 0x220),
            ("thd_sent_rows", 0x3b98),
            ("thd_peer_port", 0x27e0),
        ],
    );
    let layout = resolved.target.mysql;
    assert_eq!((layout.status_ok, layout.status_eof), (1, 2));
    assert_eq!(layout.commands, [u64::MAX; 4]);
    let dispatch = &resolved.hooks[0];
    assert_eq!(
        u64::from(layout.dispatch_size),
        dispatch.vaddr + dispatch.size - dispatch.attach_vaddr
    );
    assert_eq!(resolved.target.postgres.portal_text, ABSENT);
    assert!(resolved.tags.is_empty());
}
