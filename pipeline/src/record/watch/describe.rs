//! Lines about servers, as `lifecycle` rows have them.

use std::error::Error;

use capture::{resolve::Resolved, servers::Server};

/// Engine, version and file.
pub(super) fn binary(server: &Server) -> String {
    let version = server.version.as_deref().unwrap_or("of unknown version");
    format!(
        "{} {version}, {}",
        server.engine.name(),
        server.exe.display()
    )
}

/// One of its main processes.
pub(super) fn process(server: &Server, pid: i32) -> String {
    format!("{}, {}", binary(server), main(server, pid))
}

/// What was attached to, and what its binary does not give.
pub(super) fn attached(server: &Server, resolved: &Resolved) -> String {
    let mains: Vec<String> = server.pids.iter().map(|pid| main(server, *pid)).collect();
    let mut line = format!("{}, {}", binary(server), mains.join(", "));
    if server.deleted {
        line.push_str(", replaced or removed since it started");
    }
    let missing = resolved.missing();
    if !missing.is_empty() {
        line.push_str("; not available: ");
        line.push_str(&missing.join(", "));
    }
    line
}

fn main(server: &Server, pid: i32) -> String {
    match server.containers.get(&pid) {
        Some(container) => format!("pid {pid} in container {container}"),
        None => format!("pid {pid}"),
    }
}

/// An error with its causes.
pub(super) fn error(error: &(dyn Error + 'static)) -> String {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        line.push_str(": ");
        line.push_str(&error.to_string());
        cause = error.source();
    }
    line
}
