"""Some 380 messages by the extended protocol, by drivers in three ways, equal PostgreSQL's csvlog.

Each message once, in its session's order, text for text, with the SQLSTATE that the log and the client have,
and its bind values. How values are compared is in `same_value`.
"""

import dataclasses
import datetime
import json
import math
import pathlib
import re

import compare
import pytest
from bodies import postgres, script
from matrix import expect
from matrix.installations import chosen
from test_completeness import in_log

import conftest
import logs
import trail

BODY = pathlib.Path(__file__).with_name("bodies") / "postgres.sql"
WAYS = ("unnamed", "prepared", "asyncpg")
LEAST_MESSAGES, LEAST_ERRORS, LEAST_VALUES = 390, 65, 225


@dataclasses.dataclass(frozen=True)
class Played:
    version: tuple[int, ...]
    play: postgres.Play
    # Messages of each client: as the trail has them, and as the log.
    recorded: list[list[list[trail.Row]]]
    logged: list[list[logs.Message]]


@pytest.fixture(scope="module", params=chosen("postgresql"), ids=lambda installation: installation.name)
def ways(request, scratch) -> dict[str, Played]:
    server = request.param.server(scratch / f"{scratch.name}-body")
    server.logs = True
    with server, trail.Recorder(scratch / f"{request.param.name}-body", str(server.pid)) as recorder:
        return {way: play(server, recorder, way) for way in WAYS}


@pytest.fixture(params=WAYS)
def played(request, ways) -> Played:
    return ways[request.param]


def play(server, recorder: trail.Recorder, way: str) -> Played:
    with server.connect(user="postgres", dbname="postgres") as admin:
        admin.execute(f"create database body_{way} template template0")
        steps = script.read(BODY)
        played = postgres.Play(server, f"body_{way}", way)
        played.run(postgres.without_pipelines(steps) if way == "asyncpg" else steps)
        fence = conftest.PgSession(recorder.trail, admin)
        (last,) = recorder.trail.rows("seq = ?", fence.after)
    in_log(server.csvlogs / "log.csv", last.db_query_text)
    sessions = logs.postgres_sessions(server.csvlogs)
    recorded, logged = [], []
    for client in played.all:
        which = "kind = 'query' and db_system_name = 'postgresql' and db_namespace = ? and server_pid = ?"
        rows = recorder.trail.rows(which, f"body_{way}", client.id)
        recorded.append([group for group in trail.messages(rows) if not is_empty(group)])
        logged.append(sessions[rows[0].session_id])
    return Played(expect.numbers(server.version()), played, recorded, logged)


def is_empty(group: list[trail.Row]) -> bool:
    """The log has no empty text that is executed, and the trail has it as an empty one."""
    return (group[0].command, group[0].text, group[0].status) == ("execute", b"", "ok")


def test_body_runs_as_it_says(played):
    """As PostgreSQL 15 does; others lack a statement here and there."""
    assert len(played.play.wrong) <= (0 if played.version[0] == 15 else 5), played.play.wrong


def test_csvlog_equals_trail(played):
    compared, codes = 0, set()
    wrong = []
    for recorded, logged in zip(played.recorded, played.logged, strict=True):
        for place, (group, message) in enumerate(zip(recorded, logged, strict=False)):
            compared += 1
            codes.add(message.code)
            if problem := compare.postgres(group, message):
                wrong.append((place, problem, group, message))
        if len(recorded) != len(logged):
            wrong.append(f"{len(recorded)} messages, logged {len(logged)}")
    assert wrong == []
    assert compared >= LEAST_MESSAGES
    assert len(codes) >= LEAST_ERRORS


def test_clients_got_the_codes_of_the_trail(played):
    for client, recorded in zip(played.play.all, played.recorded, strict=True):
        assert [group[-1].status_code for group in recorded if group[-1].status_code] == client.codes


def test_bind_values_equal_csvlog(played):
    compared, wrong = 0, []
    for recorded, logged in zip(played.recorded, played.logged, strict=True):
        for group, message in zip(recorded, logged, strict=True):
            if message.values is None:
                continue
            values = json.loads(group[-1].parameters or "[]")
            pairs = list(zip(values, message.values, strict=False))
            compared += len(pairs)
            if len(values) != len(message.values) or not all(same_value(*pair) for pair in pairs):
                wrong.append((group[-1].text, values, message.values))
    assert wrong == []
    assert compared >= LEAST_VALUES


INSTANT = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d+)?\+00")
INTERVAL = re.compile(r"P(-?\d+)M(-?\d+)DT(-?)(\d+)\.(\d{6})S")


def same_value(ours: object, logged: str | None) -> bool:
    """Whether the trail's JSON is the value that the server prints.

    Numbers compare as numbers, an interval by its three parts, an array by its elements, bytes by their
    digits, a time with a zone as an instant; what is cut by what is left of it and by its length. Types that
    the trail does not decode (jsonb, types of the database's own, arrays of several dimensions) are not compared.
    """
    match ours:
        case None:
            return logged is None
        case bool():
            return logged == ("t" if ours else "f")
        case int() | float():
            return math.isclose(float(logged), ours, rel_tol=1e-6) if isinstance(ours, float) else int(logged) == ours
        case {"text": text, "bytes": count}:
            return logged.startswith(text) and len(logged.encode()) == count
        case {"type": "bytea", "hex": digits, **rest}:
            whole = rest.get("bytes", len(digits) // 2)
            return logged.startswith(rf"\x{digits}") and len(logged) == 2 + 2 * whole
        case {"type": kind, "hex": _}:
            return kind == "jsonb" or kind.startswith("oid ") or (kind.endswith("[]") and logged.startswith("{{"))
        case list():
            elements = array(logged)
            return len(elements) == len(ours) and all(map(same_value, ours, elements))
        case str():
            if INTERVAL.fullmatch(ours):
                return interval(ours) == logged_interval(logged)
            return ours == logged or (INSTANT.fullmatch(ours) is not None and instant(ours) == instant(logged))
    return False


def array(logged: str) -> list[str | None]:
    found = re.findall(r'"((?:[^"\\]|\\.)*)"|([^,{}]+)', logged)
    return [None if plain == "NULL" else plain or re.sub(r"\\(.)", r"\1", quoted) for quoted, plain in found]


def instant(text: str) -> datetime.datetime:
    return datetime.datetime.fromisoformat(text)


def interval(ours: str) -> tuple[int, int, int]:
    parts = INTERVAL.fullmatch(ours)
    us = int(parts[4]) * 1_000_000 + int(parts[5])
    return int(parts[1]), int(parts[2]), -us if parts[3] else us


def logged_interval(logged: str) -> tuple[int, int, int]:
    units = {"year": 12, "mon": 1, "day": 1}
    counts = {"year": 0, "mon": 0, "day": 0}
    for count, unit in re.findall(r"(-?\d+) (year|mon|day)", logged):
        counts[unit] = int(count) * units[unit]
    us = 0
    if clock := re.search(r"(-?)(\d+):(\d\d):(\d\d)(?:\.(\d+))?$", logged):
        seconds = int(clock[2]) * 3600 + int(clock[3]) * 60 + int(clock[4])
        us = (seconds * 1_000_000 + int((clock[5] or "0").ljust(6, "0"))) * (-1 if clock[1] else 1)
    return counts["year"] + counts["mon"], counts["day"], us
