"""Runs a server through situations and gives the rows that each left in the trail.

A situation is a function that takes a `Stage` and opens sessions through it. Rows are gathered once all sessions
have ended, by session; what differs from run to run is checked here and then left out or made relative.
It must never drop a row: one that belongs to no situation is a failure.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import re
import socket
import time
from collections.abc import Callable, Iterator

import psycopg
import pymysql

import trail
from servers import wait_until

# By this the time of a row may lie outside the times at which the client saw the situation begin and end.
CLOCK_US = 50_000
ROWS_DEADLINE_S = 60

# Different in each run; `checked` says what must hold of them.
VOLATILE = {
    "seq", "time", "time_text", "host_name", "server_version", "server_pid", "session_id", "db_system_name",
    "fingerprint", "duration_us", "client_port", "message_seq", "parent_seq",
}  # fmt: skip
# Longer values are compared by their digest.
SHOWN_MAX = 4_000
# Numbers of sessions, as situations write them into texts.
NUMBERED = re.compile(r"\b0{5}\d{7}\b")


@dataclasses.dataclass
class Situation:
    name: str
    act: Callable[[Stage], None]
    # The first version that can do it.
    since: tuple[int, ...] = ()
    # Engines by the name of `db_system_name`; empty is all of them.
    engines: tuple[str, ...] = ()


class Book:
    """Situations in the order in which they are written."""

    def __init__(self) -> None:
        self.situations: list[Situation] = []

    def situation(self, **limits):
        def note(act: Callable[[Stage], None]) -> Callable[[Stage], None]:
            self.situations.append(Situation(act.__name__.rstrip("_"), act, **limits))
            return act

        return note

    def of(self, engine: str, version: tuple[int, ...]) -> list[Situation]:
        return [s for s in self.situations if version >= s.since and (not s.engines or engine in s.engines)]


@dataclasses.dataclass
class Known:
    """A session as its client knows it."""

    where: str
    values: tuple
    port: int | None


class Stage:
    """What one situation has: sessions, and what they raised."""

    def __init__(self, server) -> None:
        self.server = server
        self.known: list[Known] = []
        self.open_sessions: list = []
        # How many attempts the server refused; they leave rows, but no sessions.
        self.refused = 0

    def open(self, **options):
        connection = self.server.connect(**options)
        self.open_sessions.append(connection)
        if isinstance(connection, psycopg.Connection):
            self.note_postgres(connection.info.backend_pid, connection.fileno())
        else:
            self.note_mysql(connection.thread_id(), connection._sock)
        return connection

    def note_postgres(self, pid: int, fileno: int | None) -> None:
        port = None
        if fileno is not None:
            with socket.socket(fileno=fileno) as own:
                port = own.getsockname()[1] if own.family == socket.AF_INET else None
                own.detach()
        self.known.append(Known("server_pid = ?", (pid,), port))

    def note_mysql(self, thread: int, own: socket.socket) -> None:
        port = own.getsockname()[1] if own.family == socket.AF_INET else None
        self.known.append(Known("session_id = ?", (str(thread),), port))

    def close(self) -> None:
        for connection in self.open_sessions:
            with contextlib.suppress(psycopg.Error, pymysql.Error):
                connection.close()

    @contextlib.contextmanager
    def fails(self, code: str | int) -> Iterator[None]:
        """What is in it must fail with this SQLSTATE or error number."""
        try:
            yield
        except psycopg.Error as error:
            assert error.sqlstate == code, error
        except pymysql.MySQLError as error:
            assert error.args[0] == code, error
        else:
            raise AssertionError(f"no failure, expected {code}")


@dataclasses.dataclass
class Played:
    situation: Situation
    stage: Stage
    began_us: int
    ended_us: int
    rows: list[dict]
    # Why it could not be played, or what was wrong with its rows beyond what is compared.
    error: str = ""


def play(server, situations: list[Situation], reader: trail.Trail, system: str, version: str) -> dict[str, Played]:
    """Runs all situations, then gathers and checks their rows."""
    played: dict[str, Played] = {}
    for situation in situations:
        stage, error = Stage(server), ""
        began = time.time_ns() // 1_000
        try:
            situation.act(stage)
        except Exception as why:
            error = f"it could not be played: {why!r}"
        finally:
            stage.close()
        played[situation.name] = Played(situation, stage, began, time.time_ns() // 1_000, [], error)
    every = [known for done in played.values() for known in done.stage.known]

    def ended() -> bool:
        reader.still_written()
        return all(reader.rows(f"kind = 'disconnect' and {k.where}", *k.values) for k in every)

    # A session whose end is missing is seen in its rows.
    with contextlib.suppress(TimeoutError):
        wait_until("every session's end in the trail", ROWS_DEADLINE_S, ended)
    for done in played.values():
        try:
            gather(done, reader, system, version)
        except (AssertionError, TimeoutError) as why:
            done.error = done.error or str(why)
    return played


def gather(done: Played, reader: trail.Trail, system: str, version: str) -> None:
    rows = []
    for index, known in enumerate(done.stage.known):
        rows += [(index, known, row) for row in reader.rows(known.where, *known.values)]
    if refused := done.stage.refused:
        wait_until(
            f"{refused} refused logins", ROWS_DEADLINE_S, lambda: len(reader.rows("kind = 'auth_failure'")) >= refused
        )
        rows += [(0, None, row) for row in reader.rows("kind = 'auth_failure'")]
    rows.sort(key=lambda entry: (entry[0], entry[2].seq))
    numbers = {row.seq: number for number, (_, _, row) in enumerate(rows)}
    done.rows = [shown(row, index, numbers) for index, _, row in rows]
    for _, known, row in rows:
        checked(row, known, done, system, version)


def checked(row: trail.Row, known: Known | None, done: Played, system: str, version: str) -> None:
    """What must hold of each row although it is different in each run."""
    assert row.db_system_name == system, row
    assert version.startswith(row.server_version), (row, version)
    assert row.host_name == socket.gethostname(), row
    assert done.began_us - CLOCK_US <= row.time <= done.ended_us + CLOCK_US, (row, done.began_us, done.ended_us)
    assert row.server_pid and row.session_id, row
    if known:
        assert row.client_port == known.port, (row, known)
    if row.kind == "query":
        assert row.duration_us is None or 0 <= row.duration_us <= done.ended_us - done.began_us + CLOCK_US, row
        assert re.fullmatch("[0-9a-f]{32}", row.fingerprint) if row.text is not None else row.fingerprint is None, row


def shown(row: trail.Row, session: int, numbers: dict[int, int]) -> dict:
    """What is compared: every column with a value, those that differ from run to run by what they are."""
    columns = {name: value for name, value in row.columns.items() if value is not None and name not in VOLATILE}
    for name in ("objects", "parameters"):
        if name in columns:
            columns[name] = json.loads(columns[name])
    if "db_query_text" in columns:
        columns["db_query_text"] = NUMBERED.sub("000000000000", columns["db_query_text"])
    for name, value in columns.items():
        if isinstance(value, str) and len(value) > SHOWN_MAX:
            digest = hashlib.sha256(value.encode()).hexdigest()
            columns[name] = f"{value[:30]}... {len(value)} characters, SHA-256 {digest}"
    if session:
        columns["session"] = session
    if row.client_port is not None:
        columns["client_port"] = "the client's"
    if row.kind == "query" and row.duration_us is None:
        columns["duration"] = "none"
    own = numbers[row.seq]
    if numbers.get(row.message_seq) != own:
        columns["message"] = numbers.get(row.message_seq)
    if row.parent_seq is not None:
        columns["parent"] = numbers.get(row.parent_seq)
    return columns
