//! Scans of made-up proc file systems.

use std::os::unix::fs::symlink;

use super::*;
use crate::resolve::sample;

/// A proc file system with the processes `(pid, parent, executable)`.
fn proc_with(processes: &[(i32, i32, &Path)]) -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    for (pid, parent, exe) in processes {
        let dir = root.path().join(pid.to_string());
        fs::create_dir(&dir).unwrap();
        symlink(exe, dir.join("exe")).unwrap();
        let zeros = " 0".repeat(47);
        fs::write(
            dir.join("stat"),
            format!("{pid} (x) y) S {parent}{zeros}\n"),
        )
        .unwrap();
    }
    root
}

fn binary(dir: &Path, name: &str, symbols: &[&str]) -> PathBuf {
    let path = dir.join(name);
    let functions: Vec<_> = symbols.iter().map(|name| (*name, &[0xc3][..])).collect();
    fs::write(&path, sample::elf(&functions)).unwrap();
    path
}

const POSTGRES: [&str; 2] = ["PortalRun", "MyProcPort"];
const MARIADB: [&str; 1] = ["_Z16dispatch_command19enum_server_commandP3THDPcjb"];

#[test]
fn groups_by_file_and_finds_the_main_processes() {
    let files = tempfile::tempdir().unwrap();
    let postgres = binary(files.path(), "postgres", &POSTGRES);
    let mariadb = binary(files.path(), "mariadbd", &MARIADB);
    let shell = binary(files.path(), "sh", &POSTGRES);
    let proc = proc_with(&[
        (10, 1, &postgres),
        (11, 10, &postgres),
        (12, 10, &postgres),
        (20, 1, &postgres),
        (21, 20, &postgres),
        (30, 5, &mariadb),
        (40, 1, &shell),
    ]);
    fs::create_dir(proc.path().join("self")).unwrap();

    let mut scanner = Scanner::new(proc.path());
    let scan = scanner.scan().unwrap();
    let found: Vec<_> = scan
        .servers
        .iter()
        .map(|server| (server.engine, server.pids.clone()))
        .collect();
    assert_eq!(
        found,
        [
            (Engine::Postgres, vec![10, 20]),
            (Engine::MariaDb, vec![30])
        ]
    );
    assert!(scan.skipped.is_empty(), "{:?}", scan.skipped);
    let first = &scan.servers[0];
    assert_eq!(first.exe, postgres);
    assert_eq!(first.attach_path, proc.path().join("10/exe"));
    assert_eq!(first.inode, fs::metadata(&postgres).unwrap().ino());
    assert!(!first.deleted);

    fs::remove_dir_all(proc.path().join("30")).unwrap();
    assert_eq!(scanner.scan().unwrap().servers.len(), 1);
}

#[test]
fn a_removed_binary_is_found_by_its_name() {
    let files = tempfile::tempdir().unwrap();
    let removed = binary(files.path(), "postgres (deleted)", &POSTGRES);
    let scan = scan(proc_with(&[(7, 1, &removed)]).path()).unwrap();
    assert_eq!(scan.servers[0].exe, files.path().join("postgres"));
    assert!(scan.servers[0].deleted);
}

#[test]
fn what_is_no_server_is_reported_and_does_not_hide_others() {
    let files = tempfile::tempdir().unwrap();
    let other = binary(files.path(), "mysqld", &["main"]);
    let script = files.path().join("postgres");
    fs::write(&script, "#!/bin/sh\n").unwrap();
    let mariadb = binary(files.path(), "mariadbd", &MARIADB);
    let gone = files.path().join("postmaster");
    let proc = proc_with(&[
        (5, 1, &other),
        (6, 1, &script),
        (7, 1, &mariadb),
        (8, 1, &gone),
    ]);
    let mut scan = scan(proc.path()).unwrap();
    assert_eq!(scan.servers.len(), 1);
    scan.skipped.sort_by_key(|skipped| skipped.pid);
    let why: Vec<_> = scan
        .skipped
        .iter()
        .map(|skipped| (skipped.pid, &skipped.why))
        .collect();
    assert!(
        matches!(
            why[..],
            [
                (5, ServerError::NotAServer { .. }),
                (6, ServerError::Executable { .. })
            ]
        ),
        "{why:?}"
    );
}

#[test]
fn no_proc_is_an_error() {
    assert!(scan(Path::new("/nonexistent/proc")).is_err());
}

#[test]
fn one_file_through_several_overlays() {
    let files = tempfile::tempdir().unwrap();
    let postgres = binary(files.path(), "postgres", &POSTGRES);
    let scan = scan(proc_with(&[(7, 1, &postgres)]).path()).unwrap();
    let below = Server {
        overlay: false,
        ..scan.servers[0].clone()
    };
    let above = Server {
        device: below.device + 1,
        overlay: true,
        pids: vec![8],
        ..below.clone()
    };
    assert!(above.is_same_file(&below) && below.is_same_file(&above));
    assert_eq!(united(vec![below.clone(), above.clone()])[0].pids, [7, 8]);
    // A copy keeps the number of the inode, and may keep the time of its contents.
    let (seconds, nanoseconds) = above.changed;
    let copy = Server {
        changed: (seconds + 1, nanoseconds),
        ..above.clone()
    };
    assert!(!copy.is_same_file(&below));
    // On other file systems the same number is chance.
    let elsewhere = Server {
        overlay: false,
        ..above
    };
    assert!(!elsewhere.is_same_file(&below));
    let written = Server {
        written: (0, 0),
        ..below.clone()
    };
    assert!(!written.is_same_file(&below));
}
