"""PostgreSQL's own regression scripts: what the server logged is in the trail, once, in order, with its SQLSTATE."""

import collections
import os
import pathlib
import subprocess

import compare
import pytest

import conftest
import logs
import trail

# Where `packaging/setup regress` puts PostgreSQL's sources.
SUITE = trail.ROOT / "target/regress/postgresql/src/test/regress"
SCRIPT_DEADLINE_S = 300
# The whole suite has many more; fewer means that it was not run.
LEAST = 45_000
# Of them, with several statements.
LEAST_SEVERAL = 40


@pytest.fixture(scope="module")
def server(scratch):
    """A server of the suite's own: its scripts change roles, tablespaces and settings of the whole cluster."""
    with conftest.AuditedPostgres(scratch / "regress", logs=True) as running:
        yield running


def make_database(server) -> None:
    """The suite's database, as pg_regress has it."""
    with server.connect(user="postgres", dbname="postgres") as admin:
        admin.execute("create database regression template template0 locale 'C'")
        for setting in ("lc_messages to 'C'", "lc_monetary to 'C'", "lc_numeric to 'C'", "lc_time to 'C'",
                        "bytea_output to 'hex'", "timezone_abbreviations to 'Default'"):  # fmt: skip
            admin.execute(f"alter database regression set {setting}")


def scripts() -> list[str]:
    """Names of the suite's scripts, in the order of its schedule."""
    lines = (SUITE / "parallel_schedule").read_text().splitlines()
    return [name for line in lines if line.startswith("test: ") for name in line.removeprefix("test: ").split()]


def run(server, name: str, folder: pathlib.Path) -> None:
    """Runs a script with psql as pg_regress does; that statements fail is part of it."""
    environment = os.environ | {
        "PGTZ": "PST8PDT", "PGDATESTYLE": "Postgres, MDY", "PG_ABS_SRCDIR": str(SUITE), "PG_ABS_BUILDDIR": str(folder),
        "PG_LIBDIR": str(folder), "PG_DLSUFFIX": ".so", "PGUSER": "postgres",
        "PGHOST": str(server.socket_dir), "PGPORT": str(server.port),
    }  # fmt: skip
    argv = [str(server.bin / "psql"), "-X", "-a", "-q", "-d", "regression", "-v", "HIDE_TABLEAM=on",
            "-v", "HIDE_TOAST_COMPRESSION=on", "-f", str(SUITE / f"sql/{name}.sql")]  # fmt: skip
    with (folder / f"{name}.out").open("wb") as out:
        done = subprocess.run(
            argv, env=environment, cwd=folder, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT,
            timeout=SCRIPT_DEADLINE_S, check=False,
        )  # fmt: skip
    # 2 is a lost connection, which `\connect` to what does not exist is.
    assert done.returncode in (0, 2, 3), name


@pytest.fixture(scope="module")
def recorded(server, scratch) -> dict[str, list[list[trail.Row]]]:
    """The whole suite, run once: the messages of each session, as the trail has them."""
    assert SUITE.is_dir(), "not run: no sources of PostgreSQL: packaging/setup regress"
    folder = scratch / "regress-files"
    (folder / "results").mkdir(parents=True)
    (folder / "testtablespace").mkdir()
    folder.chmod(0o777)
    with trail.Recorder(scratch / "regress-trail", "--max-query-bytes", "1MiB", str(server.pid)) as recorder:
        make_database(server)
        with server.connect(user="postgres", dbname="regression") as admin:
            admin.execute("create extension pgaudit")
        for name in scripts():
            run(server, name, folder)
        with server.connect(user="postgres", dbname="postgres") as last:
            conftest.PgSession(recorder.trail, last).rows()
        assert recorder.stop() == 0, recorder.stderr()
    rows = recorder.trail.rows("kind in ('query', 'loss')")
    assert [row for row in rows if row.kind == "loss"] == []
    sessions = collections.defaultdict(list)
    for row in rows:
        sessions[row.session_id].append(row)
    return {session: trail.messages(rows) for session, rows in sessions.items()}


def test_suite_equals_csvlog(server, recorded):
    compared, several = 0, 0
    wrong = []
    logged = logs.postgres_sessions(server.csvlogs)
    for session, messages in logged.items():
        got = recorded.get(session, [])
        for place, (group, message) in enumerate(zip(got, messages, strict=False)):
            compared += 1
            several += len(group) > 1
            if problem := compare.postgres(group, message):
                wrong.append(f"{session}/{place}: {problem}: {group} logged {message}"[:1000])
                break
        if len(got) != len(messages):
            wrong.append(f"{session}: {len(got)} messages, logged {len(messages)}")
    assert wrong == []
    assert set(recorded) <= set(logged), "sessions that the server does not know"
    assert compared >= LEAST
    assert several >= LEAST_SEVERAL


# Where our class is none of those that pgaudit has logged for a statement: what it logged, our class and the
# operation, and why. docs/pgaudit.md says the same in words.
EXPLAINED = {
    "what reads catalogs alone is not logged": lambda theirs, ours, _: not theirs and ours in ("READ", "WRITE"),
    "the end of a failed transaction is not logged": lambda theirs, ours, _: not theirs and ours == "MISC",
    "MISC_SET is a word of pgaudit's settings alone": lambda theirs, ours, _: (theirs, ours) == ({"MISC"}, "MISC_SET"),
    "EXPLAIN has the class of what is explained": lambda _, __, operation: operation == "EXPLAIN",
    "a MERGE that does nothing": lambda theirs, _, operation: (theirs, operation) == ({"READ"}, "MERGE"),
    "DROP OWNED revokes, too": lambda theirs, ours, operation: theirs == {"ROLE"} and operation == "DROP OWNED",
}  # fmt: skip


def test_classes_equal_pgaudit(server, recorded):
    agreed, differs = collections.Counter(), collections.Counter()
    unexplained = []
    for session, messages in logs.pgaudit_sessions(server.csvlogs).items():
        for group, audited in zip(recorded.get(session, []), messages, strict=True):
            # Of a text with several statements, pgaudit does not say whose its entries are.
            if len(group) != 1 or group[0].status != "ok":
                continue
            (row,) = group
            ours, theirs = row.columns["class"], {entry.class_ for entry in audited}
            if ours in theirs:
                agreed[ours] += 1
                continue
            operation = row.db_operation_name
            why = next((why for why, holds in EXPLAINED.items() if holds(theirs, ours, operation)), None)
            differs[why] += 1
            if why is None:
                unexplained.append((row.text[:200], ours, operation, theirs))
    assert unexplained == []
    assert set(agreed) == {"READ", "WRITE", "DDL", "MISC", "ROLE", "FUNCTION"}
    assert agreed.total() >= 30_000
    assert set(differs) == set(EXPLAINED), "an explanation that nothing needs"
