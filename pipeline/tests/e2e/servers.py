"""Private database servers for tests, the demonstration and benchmarks.

Takes a directory and gives running, unmodified PostgreSQL and MariaDB servers in it: as an unprivileged
user, on a unix socket and on a free port of 127.0.0.1, gone when stopped or when their starter dies.
It must never touch a server, a cluster or a data directory that it did not make. Standard library only.

    servers.py run [--logs] COMMAND ...    runs COMMAND with both servers; their addresses are in
                                           PG_SOCKET PG_PORT MY_SOCKET MY_PORT
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import pathlib
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from typing import TypeVar

T = TypeVar("T")

# Initialising a data directory fsyncs a lot; a busy disk takes its time.
START_DEADLINE_S = 90
STOP_DEADLINE_S = 60

# Loaded before any fork.
LIBC = ctypes.CDLL(None)
PR_SET_PDEATHSIG = 1


class NotRun(Exception):
    """What a server needs is not on this machine; the text says what and how to install it."""


def wait_until(what: str, seconds: float, probe: Callable[[], T]) -> T:
    """Asks `probe` until it gives something true; fails by name after the deadline."""
    deadline = time.monotonic() + seconds
    while True:
        found = probe()
        if found:
            return found
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {seconds} s: {what}")
        time.sleep(0.02)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def find_program(name: str, package: str, *folders: str) -> str:
    for folder in (*folders, "/usr/sbin", "/usr/bin"):
        path = pathlib.Path(folder, name)
        if os.access(path, os.X_OK):
            return str(path)
    raise NotRun(f"no {name}: apt-get install -y {package}")


class Server:
    """One private server. Its files are below `root`, which belongs to `user`."""

    user = "nobody"
    stop_signal = signal.SIGTERM
    # The server's own root directory, if that is not the machine's; `root` is below it.
    chroot: pathlib.Path | None = None

    def __init__(self, root: pathlib.Path) -> None:
        self.root = root
        self.socket_dir = root
        self.port = free_port()
        self.process: subprocess.Popen[bytes] | None = None
        self.log = root / "server.log"
        root.mkdir(parents=True)
        root.chmod(0o755)
        if os.geteuid() == 0:
            account = pwd.getpwnam(self.user)
            os.chown(root, account.pw_uid, account.pw_gid)

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        if self.chroot:
            # Nothing else removes what is below the server's own root.
            shutil.rmtree(self.root)

    def command(self, *argv: str) -> list[str]:
        """`argv` as the unprivileged user, ended by the kernel when its starter dies."""
        if self.chroot:
            return list(argv)
        die = ["setpriv", f"--pdeathsig={self.stop_signal.name.removeprefix('SIG')}"]
        if os.geteuid() == 0:
            account = pwd.getpwnam(self.user)
            die += [f"--reuid={account.pw_uid}", f"--regid={account.pw_gid}", "--clear-groups"]
        return [*die, "--", *argv]

    def enter(self) -> None:
        """Between fork and exec: what `command` leaves to be done, as setpriv is not in the server's own root."""
        if self.chroot is None:
            return
        account = pwd.getpwnam(self.user)
        os.chroot(self.chroot)
        os.chdir("/")
        os.setgroups([])
        os.setgid(account.pw_gid)
        os.setuid(account.pw_uid)
        # A change of user clears it, so it comes last.
        LIBC.prctl(PR_SET_PDEATHSIG, self.stop_signal)

    def seen(self, path: pathlib.Path) -> str:
        """A path as the server sees it."""
        return str(path if self.chroot is None else pathlib.Path("/", path.relative_to(self.chroot)))

    def run(self, *argv: str, stdin: bytes = b"") -> None:
        done = subprocess.run(
            self.command(*argv), cwd=self.root, input=stdin, capture_output=True, check=False, preexec_fn=self.enter
        )
        if done.returncode:
            raise RuntimeError(f"{argv[0]} failed: {done.stderr.decode(errors='replace')[-2000:]}")

    def launch(self, *argv: str) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.command(*argv), cwd=self.root, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                preexec_fn=self.enter,
            )  # fmt: skip
        wait_until(f"{argv[0]} answers on port {self.port}", START_DEADLINE_S, self.answers_or_died)

    def answers_or_died(self) -> bool:
        assert self.process is not None
        if self.process.poll() is not None:
            raise RuntimeError(f"server ended: {self.log.read_text(errors='replace')[-2000:]}")
        return self.answers()

    @property
    def pid(self) -> int:
        """Of its main process, while it runs."""
        assert self.process is not None
        return self.process.pid

    def stop(self) -> None:
        if self.process is None:
            return
        self.process.send_signal(self.stop_signal)
        try:
            self.process.wait(STOP_DEADLINE_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process = None

    def start(self) -> None:
        raise NotImplementedError

    def answers(self) -> bool:
        raise NotImplementedError


class Postgres(Server):
    """PostgreSQL with superuser `postgres`; with `logs`, every statement is in csvlog files."""

    user = "postgres"
    stop_signal = signal.SIGINT
    data = property(lambda self: self.root / "data")
    csvlogs = property(lambda self: self.root / "csvlog")

    locale = "C.UTF-8"

    def __init__(self, root: pathlib.Path, *, logs: bool = False) -> None:
        self.bin = self.find()
        super().__init__(root)
        self.logs = logs

    def find(self) -> pathlib.Path:
        """The folder of its programs, as the server sees it."""
        return pathlib.Path(find_program("postgres", "postgresql-15", *self.folders())).parent

    @staticmethod
    def folders() -> list[str]:
        """Where Debian puts programs of PostgreSQL, the wanted version first."""
        found = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
        return [str(f) for f in found if f.parent.name == "15"] or [str(f) for f in found]

    def start(self) -> None:
        self.run(
            str(self.bin / "initdb"), "--pgdata", self.seen(self.data), "--username=postgres", "--auth-local=trust",
            "--auth-host=scram-sha-256", "--encoding=UTF8", f"--locale={self.locale}", "--no-sync",
        )  # fmt: skip
        settings = {
            "listen_addresses": "127.0.0.1", "port": self.port, "unix_socket_directories": self.seen(self.socket_dir),
            "fsync": "off", "max_connections": 100,
        }  # fmt: skip
        if self.logs:
            settings |= {
                "logging_collector": "on", "log_destination": "csvlog", "log_directory": self.seen(self.csvlogs),
                "log_filename": "log", "log_statement": "all", "log_rotation_age": 0, "log_rotation_size": 0,
            }  # fmt: skip
        with (self.data / "postgresql.conf").open("a") as conf:
            conf.writelines(f"{name} = '{value}'\n" for name, value in settings.items())
        self.launch(str(self.bin / "postgres"), "-D", self.seen(self.data))

    def answers(self) -> bool:
        ask = find_program("pg_isready", "postgresql-client-15", *self.folders())
        asked = [ask, "-q", "-U", "postgres", "-h", str(self.socket_dir), "-p", str(self.port)]
        return subprocess.run(asked, check=False).returncode == 0

    def environment(self) -> dict[str, str]:
        return {"PG_SOCKET": str(self.socket_dir), "PG_PORT": str(self.port)}


class MariaDB(Server):
    """MariaDB with superuser `root` and no password; with `logs`, every statement is in the general log."""

    user = "mysql"
    data = property(lambda self: self.root / "data")
    socket = property(lambda self: self.socket_dir / "my.sock")
    general_log = property(lambda self: self.root / "general.log")
    # Further options of the server.
    extra: tuple[str, ...] = ()

    def __init__(self, root: pathlib.Path, *, logs: bool = False) -> None:
        self.server = self.find()
        super().__init__(root)
        self.logs = logs

    def find(self) -> str:
        """Its program, as the server sees it."""
        return find_program("mariadbd", "mariadb-server")

    def initialise(self) -> None:
        install = find_program("mariadb-install-db", "mariadb-server")
        self.run(
            install, "--no-defaults", f"--datadir={self.data}", "--auth-root-authentication-method=normal",
            "--skip-test-db", "--innodb-flush-log-at-trx-commit=0",
        )  # fmt: skip

    def start(self) -> None:
        self.initialise()
        settings = [
            "--no-defaults", f"--datadir={self.seen(self.data)}", f"--socket={self.seen(self.socket)}",
            f"--port={self.port}", f"--pid-file={self.seen(self.root / 'pid')}",
            "--bind-address=127.0.0.1", "--character-set-server=utf8mb4",
            "--innodb-buffer-pool-size=64M", "--innodb-flush-log-at-trx-commit=0", "--skip-name-resolve",
            "--max-allowed-packet=64M",
        ]  # fmt: skip
        if self.logs:
            settings += ["--general-log", f"--general-log-file={self.seen(self.general_log)}", "--log-output=FILE"]
        self.launch(self.server, *settings, *self.extra)

    def answers(self) -> bool:
        admin = find_program("mariadb-admin", "mariadb-client")
        asked = [admin, "--no-defaults", f"--socket={self.socket}", "--user=root", "--silent", "ping"]
        return subprocess.run(asked, check=False, capture_output=True).returncode == 0

    def environment(self) -> dict[str, str]:
        return {"MY_SOCKET": str(self.socket), "MY_PORT": str(self.port)}


@contextlib.contextmanager
def scratch(prefix: str = "sqltrail-") -> Iterator[pathlib.Path]:
    """A directory that other users may enter (a unix socket's path must stay short), removed at the end."""
    root = pathlib.Path(tempfile.mkdtemp(prefix=prefix))
    root.chmod(0o755)
    try:
        yield root
    finally:
        shutil.rmtree(root, ignore_errors=True)


def main(argv: list[str]) -> int:
    if len(argv) < 2 or argv[0] != "run":
        print(__doc__, file=sys.stderr)
        return 2
    logs = argv[1] == "--logs"
    command = argv[2:] if logs else argv[1:]
    # The command is told of the end by the same terminal or by its parent; the servers end after it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with scratch() as root, Postgres(root / "pg", logs=logs) as pg, MariaDB(root / "my", logs=logs) as my:
        environment = {**os.environ, **pg.environment(), **my.environment()}
        child = subprocess.Popen(
            command, env=environment, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)
        )
        try:
            return child.wait()
        finally:
            if child.poll() is None:
                child.terminate()
                child.wait(STOP_DEADLINE_S)


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except NotRun as why:
        print(f"not run: {why}", file=sys.stderr)
        sys.exit(3)
