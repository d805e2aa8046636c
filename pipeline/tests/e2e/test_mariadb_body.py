"""Some 870 messages of every kind on MariaDB: what the general log and the clients have is in the trail.

Each message once, in its session's order, text for text, with the error number and SQLSTATE that the client
got. The rules for what is otherwise by design are the functions with a docstring below.
"""

import dataclasses
import itertools
import json
import pathlib

import compare
import pytest
from bodies import mariadb, script
from matrix import expect
from matrix.installations import chosen

import logs
import trail

BODY = pathlib.Path(__file__).with_name("bodies") / "mariadb.sql"
LEAST_MESSAGES, LEAST_ERRORS = 870, 135

ROWS = {2: "COM_INIT_DB", 3: "COM_QUERY", 13: "COM_DEBUG", 22: "COM_STMT_PREPARE", 23: "COM_STMT_EXECUTE",
        31: "COM_RESET_CONNECTION"}  # fmt: skip
# Error of a client whose connection is gone, and what the server says of it.
LOST, KILLED = 2013, ("1927", "70100")


@dataclasses.dataclass(frozen=True)
class Played:
    version: tuple[int, ...]
    play: mariadb.Play
    # Rows of statements, by session; `inside` with the statements inside statements.
    rows: dict[str, list[trail.Row]]
    inside: dict[str, list[trail.Row]]
    logged: dict[str, list[logs.Message]]


@pytest.fixture(scope="module", params=chosen("mariadb"), ids=lambda installation: installation.name)
def played(request, scratch):
    """With one recorder that records statements inside statements, and one that does not."""
    name = request.param.name
    server = request.param.server(scratch / f"{scratch.name}-body")
    server.logs = True
    with server:
        version = expect.numbers(server.version())
        before = set(logs.mariadb_sessions(server.general_log))
        with (
            trail.Recorder(scratch / f"{name}-beside", str(server.pid)) as recorder,
            trail.Recorder(scratch / f"{name}-inside", str(server.pid), "--sub-statements") as inside,
        ):
            play = mariadb.Play(server)
            play.run(script.read(BODY))
            for one in (recorder, inside):
                assert one.stop() == 0, one.stderr()
        logged = logs.mariadb_sessions(server.general_log)
    logged = {session: logged[session] for session in logged if session not in before}
    return Played(version, play, by_session(recorder.trail), by_session(inside.trail), logged)


def by_session(reader: trail.Trail) -> dict[str, list[trail.Row]]:
    assert reader.rows("kind = 'loss'") == []
    rows = reader.rows("kind in ('query', 'connect', 'disconnect', 'auth_failure')")
    return {session: [row for row in rows if row.session_id == session] for session in {r.session_id for r in rows}}


def queries(rows: list[trail.Row]) -> list[list[trail.Row]]:
    """Messages of a session, without what ran inside them."""
    return trail.messages([row for row in rows if row.kind == "query" and row.parent_seq is None])


def test_body_runs_as_it_says(played):
    """As MariaDB 10.11 does; others lack a statement here and there."""
    assert len(played.play.wrong) <= (0 if played.version[:2] == (10, 11) else 20), played.play.wrong
    sent = [message for client in played.play.all for message in client.sent]
    assert len([message for message in sent if message.line and has_row(message)]) >= LEAST_MESSAGES
    assert len({message.error for message in sent}) >= LEAST_ERRORS


def has_row(message: mariadb.Sent) -> bool:
    """Preparing runs nothing, unless it fails; pings and the like are no statements."""
    return message.command in ROWS and (message.command != 22 or message.error is not None)


def test_clients_equal_trail(played):
    wrong = []
    for client in played.play.all:
        session = str(client.id)
        sent = [message for message in client.sent if has_row(message)]
        got, inner = queries(played.rows[session]), trail.messages(played.inside[session])
        inner = [group for group in inner if group[0].kind == "query"]
        for message, group, with_inner in itertools.zip_longest(sent, got, inner):
            problem = message and group and client_differs(message, group, with_inner or [])
            if problem or not message or not group:
                wrong.append((session, problem, message, group))
                break
    assert wrong == []


def client_differs(message: mariadb.Sent, group: list[trail.Row], with_inner: list[trail.Row]) -> str | None:
    """What runs inside a statement may give results of its own. Those of the driver's own messages were not counted."""
    last = group[-1]
    error = message.error and (str(message.error[0]), message.error[1])
    if message.error and message.error[0] == LOST:
        error = KILLED
    results = message.results + bool(message.error)
    counts = message.command == 3 and message.line and not any(row.parent_seq for row in with_inner)
    checks = compare.outcome(group, error and error[0]) | {
        "command": {row.command for row in group} == {ROWS[message.command]},
        "text": compare.same_text(trail.joined(group), message.text),
        "length": sum(row.query_bytes or 0 for row in group) == len(message.text),
        "sqlstate": last.sqlstate == (error and error[1]),
        "pieces": not counts or len(group) == results,
        "values": (json.loads(last.parameters) if last.parameters else None) == message.values,
    }
    return compare.failed(checks)


def test_inside_is_beside(played):
    """That statements inside others are recorded changes no other row."""

    def told(rows: list[trail.Row]) -> list[tuple]:
        rows = [row for row in rows if row.parent_seq is None]
        return [(row.kind, row.command, row.text, row.status, row.status_code, row.parameters) for row in rows]

    assert {session: told(rows) for session, rows in played.rows.items()} == {
        session: told(rows) for session, rows in played.inside.items()
    }


# The log's word for a row's command.
LOGGED = {"COM_QUERY": "Query", "COM_STMT_EXECUTE": "Execute", "COM_DEBUG": "Debug", "connect": "Connect"}


def test_general_log_equals_trail(played):
    assert set(played.inside) == set(played.logged)
    wrong, compared = [], 0
    for session, logged in played.logged.items():
        logged = [message for message in logged if message.command in LOGGED.values()]
        compared += len(logged)
        place = 0
        for entry in entries(played.inside[session], played.version):
            if place < len(logged) and entry.is_logged_as(logged[place]):
                place += 1
            elif not entry.may_lack:
                wrong.append((session, entry, logged[place : place + 1]))
                break
        else:
            wrong += [(session, "not in the trail", message) for message in logged[place:]]
    assert wrong == []
    assert compared >= LEAST_MESSAGES


@dataclasses.dataclass(frozen=True)
class Entry:
    """A message or a statement inside one, as the log is to have it."""

    command: str
    text: bytes
    values: list
    may_lack: bool

    def is_logged_as(self, message: logs.Message) -> bool:
        if self.command != message.command:
            return False
        if self.command == "Connect":
            return True
        text = logs.mariadb_logged(self.text)
        return compare.same_text(text, message.text) or message.text in with_values(text, self.values)


# Before it, an execution is logged when it is over, and only if it went well.
LOGS_EXECUTIONS_FIRST = (10, 6)


def entries(rows: list[trail.Row], version: tuple[int, ...]) -> list[Entry]:
    groups = trail.messages([row for row in rows if row.command in LOGGED or row.parent_seq])
    return [entry for group in groups for entry in Expected(group, version < LOGS_EXECUTIONS_FIRST).entries()]


class Expected:
    """What the log is to have of one message and of what ran inside it."""

    def __init__(self, group: list[trail.Row], late: bool) -> None:
        self.outer = [row for row in group if row.parent_seq is None]
        self.by_seq = {row.seq: row for row in group}
        self.inner: dict[int, list[trail.Row]] = {row.seq: [] for row in group}
        for row in group:
            if row.parent_seq:
                self.inner[row.parent_seq].append(row)
        self.late = late

    def entries(self) -> list[Entry]:
        first, last = self.outer[0], self.outer[-1]
        command, values = LOGGED[first.command], json.loads(first.parameters or "[]")
        entry = Entry(command, trail.joined(self.outer), values, self.is_left_out(command, last))
        return self.ordered(entry, [e for row in self.outer for e in self.inside(row)])

    def inside(self, outer: trail.Row) -> list[Entry]:
        command = "Execute" if first_word(outer) == "execute" else "Query"
        found = []
        for row in self.inner[outer.seq]:
            may_lack = self.is_left_out(command, row) or self.is_in_procedure(row)
            found += self.ordered(Entry(command, row.text, [], may_lack), self.inside(row))
        return found

    def ordered(self, entry: Entry, inner: list[Entry]) -> list[Entry]:
        return [*inner, entry] if self.late and entry.command == "Execute" else [entry, *inner]

    def is_left_out(self, command: str, row: trail.Row) -> bool:
        return self.late and command == "Execute" and row.status == "error"

    def is_in_procedure(self, row: trail.Row) -> bool:
        """The log has what functions, triggers and EXECUTE run, but not what procedures and blocks run."""
        while row.parent_seq:
            row = self.by_seq[row.parent_seq]
            if first_word(row) in ("call", "begin", "if", "case"):
                return True
        return False


def first_word(row: trail.Row) -> str:
    return "".join((row.db_query_text or "").lower().split()[:1])


def with_values(text: bytes, values: list) -> set[bytes]:
    """The log has values in place of those `?` that are no part of a literal or comment; which, it does not say."""
    parts = text.split(b"?")
    found = set()
    for places in itertools.combinations(range(len(parts) - 1), len(values)):
        shown = dict(zip(places, map(logged_value, values), strict=True))
        found.add(b"".join(part + shown.get(place, b"?") for place, part in enumerate(parts[:-1])) + parts[-1])
    return found


def logged_value(value: object) -> bytes:
    if value is None:
        return b"NULL"
    if not isinstance(value, str):
        return str(value).replace("e+", "e").encode()
    for plain, escaped in (("\\", "\\\\"), ("'", "\\'"), ('"', '\\"'), ("\n", "\\n")):
        value = value.replace(plain, escaped)
    return f"'{value}'".encode()
