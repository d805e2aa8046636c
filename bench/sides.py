"""Ways to record what a server is asked: none, sqltrail's, and those that the servers bring.

Takes private servers; each side is switched on for one run of a workload and off again. It must leave the
server as it was.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import pathlib
import subprocess
import sys
from collections.abc import Callable, Iterator

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "pipeline/tests/e2e"))

import servers  # noqa: E402
import trail  # noqa: E402

NOTHING = "nothing"
DEFAULT = "**sqltrail**"


@dataclasses.dataclass
class Side:
    """`on(server)` records until it is left; it gives the recorder, where that is a process of its own."""

    name: str
    on: Callable[[servers.Server], contextlib.AbstractContextManager[trail.Recorder | None]]


def output(*argv: str | pathlib.Path) -> str:
    done = subprocess.run([str(part) for part in argv], capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{argv[0]} failed: {done.stderr or done.stdout}")
    return done.stdout


def psql(pg: servers.Postgres, *commands: str) -> str:
    asked = [part for command in commands for part in ("-c", command)]
    where = ["-h", pg.socket_dir, "-p", str(pg.port), "-U", "postgres"]
    return output(pg.bin / "psql", "-X", "-q", "-A", "-t", *where, *asked, "postgres")


def mariadb(my: servers.MariaDB, command: str) -> str:
    client = servers.find_program("mariadb", "mariadb-client")
    return output(client, "--no-defaults", f"--socket={my.socket}", "-uroot", "-sN", "-e", command)


def nothing() -> Side:
    return Side(NOTHING, lambda _: contextlib.nullcontext())


def recorder(folder: pathlib.Path, name: str, *flags: str) -> Side:
    """sqltrail, with a new trail for each run."""

    def on(server: servers.Server) -> trail.Recorder:
        made = len(list(folder.iterdir()))
        return trail.Recorder(folder / f"trail-{made}", *flags, str(server.pid))

    return Side(name, on)


def postgres_setting(name: str, *settings: str) -> Side:
    """Server settings that a reload switches on."""

    @contextlib.contextmanager
    def on(pg: servers.Postgres) -> Iterator[None]:
        psql(pg, *(f"alter system set {setting}" for setting in settings), "select pg_reload_conf()")
        try:
            yield None
        finally:
            names = [setting.partition(" =")[0] for setting in settings]
            psql(pg, *(f"alter system reset {name}" for name in names), "select pg_reload_conf()")

    return Side(name, on)


def mariadb_setting(name: str, variable: str) -> Side:
    @contextlib.contextmanager
    def on(my: servers.MariaDB) -> Iterator[None]:
        mariadb(my, f"set global {variable} = on")
        try:
            yield None
        finally:
            mariadb(my, f"set global {variable} = off")

    return Side(name, on)


class LoggingPostgres(servers.Postgres):
    """With a log collector, which has nothing to do until something is to be logged, and pgaudit."""

    def __init__(self, root: pathlib.Path, *, audit: bool) -> None:
        super().__init__(root)
        self.audit = audit

    def start(self) -> None:
        super().start()
        settings = ["logging_collector = on", "log_destination = 'csvlog'", f"log_directory = '{self.root / 'csvlog'}'"]
        if self.audit:
            settings.append("shared_preload_libraries = 'pgaudit'")
        psql(self, *(f"alter system set {setting}" for setting in settings))
        self.stop()
        if self.audit:
            # A setting of a library that is not loaded yet cannot be made by a statement.
            with (self.data / "postgresql.auto.conf").open("a") as conf:
                conf.write("pgaudit.log = 'all'\n")
        self.launch(str(self.bin / "postgres"), "-D", str(self.data))


def cpu_seconds(pid: int) -> float:
    """User and system time of a process so far, and of its children, those that have ended included."""
    listed = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    ticks = sum(times(pid))
    for child in listed:
        # One may end between the two looks; its time is its parent's then, a round later.
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            ticks += sum(times(int(child)))
    return ticks / os.sysconf("SC_CLK_TCK")


def times(pid: int) -> list[int]:
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return [int(field) for field in fields[11:15]]
