"""PostgreSQL's own regression scripts: what the server logged is in the trail, once, in order, with its SQLSTATE."""

import collections
import os
import pathlib
import re
import subprocess

import pytest

import conftest
import logs
import trail

# Where `packaging/setup regress` puts PostgreSQL's sources.
SUITE = trail.ROOT / "target/regress/postgresql/src/test/regress"
SCRIPT_DEADLINE_S = 300
# The whole suite has many more; fewer means that it was not run.
LEAST = 45_000


@pytest.fixture(scope="module")
def server(scratch):
    """A server of the suite's own: its scripts change roles, tablespaces and settings of the whole cluster."""
    with conftest.PostgresUnderTest(scratch / "regress", logs=True) as running:
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


def same_text(recorded: bytes, logged: bytes) -> bool:
    """Whether both are one text, but for what is masked in the trail."""
    if recorded == logged:
        return True
    parts = recorded.split(b"***")
    return len(parts) > 1 and re.fullmatch(b".*?".join(map(re.escape, parts)), logged, re.DOTALL) is not None


def test_regression_suite_equals_csvlog(server, scratch):
    assert SUITE.is_dir(), "not run: no sources of PostgreSQL: packaging/setup regress"
    folder = scratch / "regress-files"
    (folder / "results").mkdir(parents=True)
    (folder / "testtablespace").mkdir()
    folder.chmod(0o777)
    with trail.Recorder(scratch / "regress-trail", "--max-query-bytes", "1MiB", str(server.pid)) as recorder:
        make_database(server)
        for name in scripts():
            run(server, name, folder)
        with server.connect(user="postgres", dbname="postgres") as last:
            conftest.PgSession(recorder.trail, last).rows()
        assert recorder.stop() == 0, recorder.stderr()

    rows = recorder.trail.rows("kind in ('query', 'loss')")
    assert [row for row in rows if row.kind == "loss"] == []
    recorded = collections.defaultdict(list)
    for row in rows:
        recorded[row.session_id].append(row)
    compared = 0
    wrong = []
    for session_id, logged in logs.postgres_sessions(server.csvlogs).items():
        got = trail.messages(recorded.pop(session_id, []))
        for place, (group, message) in enumerate(zip(got, logged, strict=False)):
            compared += 1
            text, code = trail.joined(group), group[-1].status_code
            if not same_text(text, message.text) or code != message.code:
                wrong.append(f"{session_id}/{place}: {text[:300]} {code}, logged {message.text[:300]} {message.code}")
                break
        if len(got) != len(logged):
            wrong.append(f"{session_id}: {len(got)} messages, logged {len(logged)}")
    invented = {key: len(rows) for key, rows in recorded.items()}
    assert (wrong, invented) == ([], {})
    assert compared >= LEAST
