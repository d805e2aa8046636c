//! Says what of the capture works on this machine, what does not, and what to do about it.
//!
//! Takes the root of a file system with `/proc` and `/sys`, gives a list of checks; printing them is
//! the caller's. It must never change anything, and never say Ok of something it could not look at.

use std::fs;
use std::io;
use std::path::Path;

use procfs::process::Process;

use crate::elf::Image;
use crate::resolve::{Field, Hook, Resolved, resolve};
use crate::servers::{Scan, Server, ServerError, scan};

/// The oldest kernel with sleepable uprobes and `bpf_loop` that is tested.
const KERNEL_MIN: (u32, u32) = (6, 1);

/// Numbers of capabilities, from `linux/capability.h`.
const CAP_SYS_PTRACE: u64 = 1 << 19;
const CAP_SYS_ADMIN: u64 = 1 << 21;
const CAP_PERFMON: u64 = 1 << 38;
const CAP_BPF: u64 = 1 << 39;

/// How a check ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// It works.
    Ok,
    /// It works in part, or at a price.
    Warn,
    /// Nothing can be recorded.
    Fail,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// What was looked at, such as `kernel` or `postgresql 15.18 (1234): PortalRun`.
    pub name: String,
    /// How it ended.
    pub state: State,
    /// What was seen.
    pub detail: String,
    /// What to do about it, where something can be done.
    pub hint: Option<String>,
}

impl Check {
    fn ok(name: impl Into<String>, detail: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            state: State::Ok,
            detail: detail.into(),
            hint: None,
        }
    }

    fn warn(name: impl Into<String>, detail: impl Into<String>) -> Self {
        Self {
            state: State::Warn,
            ..Self::ok(name, detail)
        }
    }

    fn fail(name: impl Into<String>, detail: impl Into<String>) -> Self {
        Self {
            state: State::Fail,
            ..Self::ok(name, detail)
        }
    }

    fn hint(mut self, hint: &str) -> Self {
        self.hint = Some(hint.to_owned());
        self
    }
}

/// Checks this machine and every server that runs on it.
#[must_use]
pub fn report() -> Vec<Check> {
    let root = Path::new("/");
    let mut checks = machine(root, std::env::consts::ARCH);
    checks.extend(servers(scan(&root.join("proc"))));
    checks
}

/// Checks the machine whose root directory is `root`.
#[must_use]
pub fn machine(root: &Path, processor: &str) -> Vec<Check> {
    let text = |path: &str| fs::read_to_string(root.join(path)).map(|text| text.trim().to_owned());
    vec![
        check_processor(processor),
        check_kernel(text("proc/sys/kernel/osrelease")),
        check_uprobes(text("sys/bus/event_source/devices/uprobe/type")),
        check_privileges(root),
        check_bpffs(root),
        check_btf(fs::metadata(root.join("sys/kernel/btf/vmlinux")).map(|file| file.len())),
        check_setting(
            "perf_event_paranoid",
            text("proc/sys/kernel/perf_event_paranoid"),
        ),
        check_setting("kptr_restrict", text("proc/sys/kernel/kptr_restrict")),
        Check::ok(
            "memory lock limit",
            "not used, since Linux 5.11 maps count as ordinary memory",
        ),
    ]
}

fn check_processor(processor: &str) -> Check {
    match processor {
        "x86_64" => Check::ok("processor", processor),
        _ => Check::fail(
            "processor",
            format!("{processor} is not supported, only x86_64 is"),
        ),
    }
}

fn check_kernel(release: io::Result<String>) -> Check {
    let name = "kernel";
    let release = match release {
        Ok(release) => release,
        Err(error) => return Check::fail(name, format!("release is not readable: {error}")),
    };
    let mut numbers = release
        .split(['.', '-', '+'])
        .map_while(|part| part.parse::<u32>().ok());
    let version = numbers.next().zip(numbers.next());
    match version {
        Some(version) if version >= KERNEL_MIN => Check::ok(name, release),
        Some(_) => {
            Check::fail(name, format!("{release} is too old")).hint("Linux 6.1 or later is needed")
        }
        None => Check::fail(name, format!("release {release:?} is not understood")),
    }
}

fn check_uprobes(kind: io::Result<String>) -> Check {
    match kind {
        Ok(_) => Check::ok("uprobes", "available"),
        Err(error) => Check::fail("uprobes", format!("not available: {error}"))
            .hint("needs a kernel with CONFIG_UPROBE_EVENTS, and /sys mounted"),
    }
}

fn check_privileges(root: &Path) -> Check {
    let name = "privileges";
    let own = Process::new_with_root(root.join("proc/self"));
    let held = match own.and_then(|own| own.status()) {
        Ok(status) => status.capeff,
        Err(error) => return Check::fail(name, format!("capabilities are not readable: {error}")),
    };
    let wanted = [
        (CAP_BPF | CAP_SYS_ADMIN, "CAP_BPF"),
        (CAP_PERFMON | CAP_SYS_ADMIN, "CAP_PERFMON"),
        (CAP_SYS_PTRACE, "CAP_SYS_PTRACE"),
    ];
    let missing: Vec<&str> = wanted
        .iter()
        .filter(|(any, _)| held & any == 0)
        .map(|(_, name)| *name)
        .collect();
    match missing[..] {
        [] => Check::ok(name, "all that is needed"),
        ["CAP_SYS_PTRACE"] => Check::warn(
            name,
            "CAP_SYS_PTRACE is missing, servers of other users are not found",
        )
        .hint("run as root, or add CAP_SYS_PTRACE"),
        _ => Check::fail(name, format!("{} missing", missing.join(", ")))
            .hint("run as root, or with CAP_BPF, CAP_PERFMON and CAP_SYS_PTRACE"),
    }
}

fn check_bpffs(root: &Path) -> Check {
    let name = "bpffs";
    let mounts = Process::new_with_root(root.join("proc/self")).and_then(|own| own.mountinfo());
    match mounts {
        Ok(mounts)
            if mounts.iter().any(|mount| {
                mount.fs_type == "bpf" && mount.mount_point == Path::new("/sys/fs/bpf")
            }) =>
        {
            Check::ok(name, "mounted at /sys/fs/bpf")
        }
        Ok(_) => Check::warn(
            name,
            "not mounted at /sys/fs/bpf, probes end with the recorder",
        )
        .hint("mount -t bpf bpf /sys/fs/bpf"),
        Err(error) => Check::warn(name, format!("mounts are not readable: {error}")),
    }
}

fn check_btf(bytes: io::Result<u64>) -> Check {
    match bytes {
        Ok(bytes) => Check::ok(
            "kernel BTF",
            format!("/sys/kernel/btf/vmlinux, {bytes} bytes"),
        ),
        Err(error) => Check::warn("kernel BTF", format!("/sys/kernel/btf/vmlinux: {error}")),
    }
}

fn check_setting(name: &str, value: io::Result<String>) -> Check {
    match value {
        Ok(value) => Check::ok(
            name,
            format!("{value} (binds only those without privileges)"),
        ),
        Err(error) => Check::ok(name, format!("not readable ({error}), not needed")),
    }
}

/// Checks what a scan for servers found.
#[must_use]
pub fn servers(scan: Result<Scan, ServerError>) -> Vec<Check> {
    let scan = match scan {
        Ok(scan) => scan,
        Err(error) => return vec![Check::fail("servers", chain(&error))],
    };
    let mut checks = Vec::new();
    if scan.servers.is_empty() {
        let none = Check::warn("servers", "none is running");
        checks.push(none.hint("a server that starts later is found while recording"));
    }
    for server in &scan.servers {
        checks.extend(check_server(server));
    }
    for skipped in &scan.skipped {
        checks.push(Check::warn(
            format!("process {}", skipped.pid),
            chain(&skipped.why),
        ));
    }
    checks
}

fn check_server(server: &Server) -> Vec<Check> {
    let version = server.version.as_deref().unwrap_or("of unknown version");
    let pids: Vec<String> = server.pids.iter().map(ToString::to_string).collect();
    let name = format!("{} {version} ({})", server.engine.name(), pids.join(", "));
    let resolved = Image::open(&server.attach_path)
        .map_err(|error| chain(&error))
        .and_then(|image| resolve(&image).map_err(|error| chain(&error)));
    let resolved = match resolved {
        Ok(resolved) => resolved,
        Err(why) => return vec![Check::fail(name, why)],
    };
    let exe = server.exe.display();
    let mut checks = vec![if server.deleted {
        Check::warn(
            &name,
            format!("{exe} was removed or replaced while it runs"),
        )
        .hint("restart the server to run the installed version")
    } else {
        Check::ok(&name, exe.to_string())
    }];
    checks.extend(findings(&name, &resolved));
    checks
}

/// One check for each hook and field of a server called `name`.
#[must_use]
pub fn findings(name: &str, resolved: &Resolved) -> Vec<Check> {
    let mut checks: Vec<Check> = resolved
        .hooks
        .iter()
        .map(|hook| check_hook(name, hook))
        .collect();
    checks.extend(resolved.hooks_missing.iter().map(|hook| {
        Check::warn(
            format!("{name}: {hook}"),
            "not exported, what it shows is not recorded",
        )
    }));
    checks.extend(resolved.fields.iter().map(|field| check_field(name, field)));
    if !resolved.tags_missing.is_empty() {
        checks.push(Check::warn(
            format!("{name}: command tags"),
            &resolved.tags_missing,
        ));
    } else if !resolved.tags.is_empty() {
        let tags = format!("{} names", resolved.tags.len());
        checks.push(Check::ok(format!("{name}: command tags"), tags));
    }
    checks
}

fn check_hook(name: &str, hook: &Hook) -> Check {
    let name = format!("{name}: {}", hook.name);
    let place = format!(
        "{} at {:#x}, {}",
        hook.symbol, hook.attach_vaddr, hook.first_instruction
    );
    if hook.looks_inlined() {
        return Check::warn(name, format!("{place}, nothing calls it"))
            .hint("the compiler may have copied it into its callers, record a test to see");
    }
    if hook.required && !hook.cheap {
        return Check::warn(name, format!("{place}, each hit costs some microseconds"));
    }
    Check::ok(
        name,
        format!("{place}, {} calls", hook.call_sites.len() + hook.pointers),
    )
}

fn check_field(name: &str, field: &Field) -> Check {
    let name = format!("{name}: {}", field.name);
    match field.value {
        Some(value) => Check::ok(name, format!("{value:#x}, {}", field.how)),
        None => Check::warn(name, format!("not found: {}", field.why_missing)),
    }
}

/// An error and everything behind it.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(behind) = source {
        text.push_str(": ");
        text.push_str(&behind.to_string());
        source = behind.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::servers::Skipped;

    #[test]
    fn kernels() {
        let check = |release: &str, expected| {
            assert_eq!(
                check_kernel(Ok(release.to_owned())).state,
                expected,
                "{release}"
            );
        };
        check("6.1.0-18-amd64", State::Ok);
        check("6.18", State::Ok);
        check("7.0-rc1+", State::Ok);
        check("6.0.19", State::Fail);
        check("5.15.0-91-generic", State::Fail);
        check("", State::Fail);
        check("six", State::Fail);
        assert_eq!(
            check_kernel(Err(io::Error::other("gone"))).state,
            State::Fail
        );
    }

    #[test]
    fn processors() {
        assert_eq!(check_processor("x86_64").state, State::Ok);
        assert_eq!(check_processor("aarch64").state, State::Fail);
    }

    /// A root whose own process holds `capabilities`, with `mounts` as its list of mounts.
    fn root_with(capabilities: u64, mounts: &str) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        let own = root.path().join("proc/1");
        fs::create_dir_all(&own).unwrap();
        std::os::unix::fs::symlink("1", root.path().join("proc/self")).unwrap();
        let status = fs::read_to_string("/proc/self/status").unwrap();
        let status: String = status
            .lines()
            .map(|line| match line.split_once(':') {
                Some(("CapEff", _)) => format!("CapEff:\t{capabilities:016x}\n"),
                _ => format!("{line}\n"),
            })
            .collect();
        fs::write(own.join("status"), status).unwrap();
        fs::write(own.join("mountinfo"), mounts).unwrap();
        root
    }

    #[test]
    fn privileges() {
        let check = |held, expected| {
            let root = root_with(held, "");
            let check = check_privileges(root.path());
            assert_eq!(check.state, expected, "{check:?}");
            assert_eq!(check.hint.is_none(), expected == State::Ok);
        };
        check(u64::MAX, State::Ok);
        check(CAP_SYS_ADMIN | CAP_SYS_PTRACE, State::Ok);
        check(CAP_BPF | CAP_PERFMON | CAP_SYS_PTRACE, State::Ok);
        check(CAP_BPF | CAP_PERFMON, State::Warn);
        check(CAP_BPF | CAP_SYS_PTRACE, State::Fail);
        check(0, State::Fail);
    }

    #[test]
    fn mounts() {
        let check = |mounts, expected| {
            assert_eq!(check_bpffs(root_with(0, mounts).path()).state, expected);
        };
        check(
            "36 24 0:32 / /sys/fs/bpf rw,nosuid - bpf bpf rw,mode=700\n",
            State::Ok,
        );
        check(
            "36 24 0:32 / /run/bpf rw,nosuid - bpf bpf rw,mode=700\n",
            State::Warn,
        );
        check("24 1 0:22 / /sys rw,nosuid - sysfs sysfs rw\n", State::Warn);
    }

    #[test]
    fn a_machine_without_anything_fails_loudly() {
        let empty = tempfile::tempdir().unwrap();
        let checks = machine(empty.path(), "aarch64");
        let failed: Vec<_> = checks
            .iter()
            .filter(|check| check.state == State::Fail)
            .map(|check| check.name.as_str())
            .collect();
        assert_eq!(failed, ["processor", "kernel", "uprobes", "privileges"]);
    }

    #[test]
    fn skipped_processes_are_named() {
        let why = ServerError::NotAServer {
            exe: "/usr/sbin/mysqld".into(),
        };
        let scan = Scan {
            servers: Vec::new(),
            skipped: vec![Skipped { pid: 7, why }],
        };
        let checks = servers(Ok(scan));
        assert_eq!(checks[0].name, "servers");
        assert_eq!(checks[1].name, "process 7");
        assert!(checks[1].detail.contains("/usr/sbin/mysqld"));
        assert!(checks.iter().all(|check| check.state == State::Warn));
    }

    #[test]
    fn fields_and_hooks() {
        let missing = Field {
            name: "port_user",
            value: None,
            how: String::new(),
            why_missing: "hba_getauthmethod is not exported".to_owned(),
        };
        let check = check_field("postgresql", &missing);
        assert_eq!(check.state, State::Warn);
        assert!(check.detail.contains("hba_getauthmethod"));
        let hook = Hook {
            id: 0,
            name: "PortalRun",
            symbol: "PortalRun".to_owned(),
            vaddr: 16,
            attach_vaddr: 20,
            file_offset: 20,
            first_instruction: "push rbp".to_owned(),
            cheap: true,
            required: true,
            feature: 0,
            size: 100,
            call_sites: vec![1, 2],
            pointers: 0,
        };
        assert_eq!(check_hook("x", &hook).state, State::Ok);
        let inlined = Hook {
            call_sites: Vec::new(),
            ..hook.clone()
        };
        assert_eq!(check_hook("x", &inlined).state, State::Warn);
        let slow = Hook {
            cheap: false,
            ..hook
        };
        assert_eq!(check_hook("x", &slow).state, State::Warn);
    }
}
