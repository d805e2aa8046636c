"""The recorder as a process, and what it wrote.

Takes the `sqltrail` binary and a directory; gives the trail's rows as a reader with plain `sqlite3` sees
them. It must never write to the trail, nor wait without a deadline.
"""

from __future__ import annotations

import dataclasses
import itertools
import os
import pathlib
import re
import signal
import sqlite3
import subprocess
from collections.abc import Callable

from servers import wait_until

ROOT = pathlib.Path(__file__).resolve().parents[3]

READY_DEADLINE_S = 60
STOP_DEADLINE_S = 120
# How late a row may be on a busy machine before a test gives up on it; promptness has a test of its own.
ROW_DEADLINE_S = 60

READY = re.compile(r"recording: (\d+) servers? attached")


def binary() -> pathlib.Path:
    """The program under test: `$SQLTRAIL`, else what cargo built last with the development profile."""
    return pathlib.Path(os.environ.get("SQLTRAIL") or ROOT / "target/debug/sqltrail")


# Tells the recorders of one process apart.
NUMBERS = itertools.count(1)


@dataclasses.dataclass(frozen=True)
class Row:
    """One row of the view `events`; every column is an attribute."""

    columns: dict[str, object]

    def __getattr__(self, name: str):
        try:
            return self.columns[name]
        except KeyError:
            raise AttributeError(name) from None

    @property
    def text(self) -> bytes | None:
        """The exact bytes of the statement."""
        if self.db_query_raw is not None:
            return self.db_query_raw
        return None if self.db_query_text is None else self.db_query_text.encode()

    def __repr__(self) -> str:
        told = {k: v for k, v in self.columns.items() if v is not None and k not in ("fingerprint", "host_name")}
        return f"Row({told})"


class Trail:
    """Reader of `DIR/audit.db`."""

    def __init__(self, folder: pathlib.Path, still_written: Callable[[], None] = lambda: None) -> None:
        """`still_written` fails when there is nobody left to wait for."""
        self.folder = folder
        self.still_written = still_written
        self.database = folder / "audit.db"

    def rows(self, where: str = "1", *parameters: object) -> list[Row]:
        """Rows for which `where` holds, in order of `seq`."""
        with self.connect() as connection:
            cursor = connection.execute(f"select * from events where {where} order by seq", parameters)
            names = [column[0] for column in cursor.description]
            return [Row(dict(zip(names, values, strict=True))) for values in cursor]

    def connect(self) -> sqlite3.Connection:
        return sqlite3.connect(f"file:{self.database}?mode=ro", uri=True, timeout=10)

    def wait_for(self, where: str, *parameters: object) -> list[Row]:
        """The rows for which `where` holds, as soon as there are any."""

        def look() -> list[Row]:
            self.still_written()
            return self.rows(where, *parameters)

        return wait_until(f"a row with {where} {parameters}", ROW_DEADLINE_S, look)

    def wait_for_one(self, where: str, *parameters: object) -> Row:
        """The one row for which `where` holds."""
        rows = self.wait_for(where, *parameters)
        assert len(rows) == 1, rows
        return rows[0]


def messages(rows: list[Row]) -> list[list[Row]]:
    """Rows grouped by client message, in order."""
    ordered = sorted(rows, key=lambda row: (row.message_seq, row.seq))
    return [list(group) for _, group in itertools.groupby(ordered, key=lambda row: row.message_seq)]


def joined(rows: list[Row]) -> bytes:
    """The client's text from the pieces of one message."""
    return b"".join(row.text or b"" for row in rows)


class Recorder:
    """`sqltrail record` into a directory."""

    def __init__(self, folder: pathlib.Path, *arguments: str) -> None:
        self.folder = folder
        self.arguments = arguments
        # Recorders on one machine each need their own.
        self.pins = pathlib.Path("/sys/fs/bpf", f"sqltrail-test-{os.getpid()}-{next(NUMBERS)}")
        self.environment: dict[str, str] = {}
        self.trail = Trail(folder, self.must_run)
        self.stderr_path = folder.with_name(folder.name + ".stderr")
        self.process: subprocess.Popen[bytes] | None = None

    def __enter__(self):
        self.start()
        try:
            wait_until("the recorder says that it is attached", READY_DEADLINE_S, self.attached)
        except BaseException:
            self.kill()
            self.detach()
            raise
        return self

    def start(self) -> None:
        """Starts it, and does not wait for it."""
        where = ["--dir", self.folder, "--pin-path", self.pins]
        # The kernel ends it should this process die.
        argv = ["setpriv", "--pdeathsig=INT", "--", binary(), "record", *where, *self.arguments]
        with self.stderr_path.open("wb") as stderr:
            self.process = subprocess.Popen(
                argv, stdin=subprocess.DEVNULL, stderr=stderr, env=os.environ | self.environment
            )

    def __exit__(self, *_: object) -> None:
        try:
            if self.process.poll() is None:
                assert self.stop() == 0, self.stderr()
        finally:
            self.detach()

    def detach(self) -> None:
        """Removes what a recorder that was killed has left."""
        sqltrail("detach", "--pin-path", self.pins)
        if self.pins.is_dir():
            self.pins.rmdir()

    def stderr(self) -> str:
        return self.stderr_path.read_text(errors="replace")

    def must_run(self) -> None:
        if self.process.poll() is not None:
            raise RuntimeError(f"the recorder ended with {self.process.returncode}: {self.stderr()}")

    def attached(self) -> bool:
        self.must_run()
        said = READY.search(self.stderr())
        return said is not None and int(said[1]) >= 1

    def stop(self, how: signal.Signals = signal.SIGINT) -> int:
        """Ends the recorder; gives its exit code."""
        self.process.send_signal(how)
        try:
            return self.process.wait(STOP_DEADLINE_S)
        except subprocess.TimeoutExpired:
            self.kill()
            raise

    def kill(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


def sqltrail(*arguments: str | os.PathLike) -> str:
    """Runs another command of the program and gives its standard output."""
    done = subprocess.run([binary(), *arguments], stdin=subprocess.DEVNULL, capture_output=True, check=False)
    assert done.returncode == 0, f"{arguments}: {done.stderr.decode(errors='replace')}"
    return done.stdout.decode()
