"""The same situations on every version of every server, as whole rows.

By default on the servers that Debian installs; `$SQLTRAIL_SERVERS` names others (`NAME=[ROOT:]BINARY`, one a
line), `packaging/matrix` fetches and runs all.
"""

import functools
import json
import os
import pathlib
import subprocess

import pytest
from matrix import expect, mysql, postgres
from matrix.installations import Installation, chosen
from matrix.play import Played, play

import trail

BOOKS = {"postgresql": postgres, "mariadb": mysql, "mysql": mysql}


def pytest_generate_tests(metafunc):
    if "name" in metafunc.fixturenames:
        pairs = [(i, s.name) for i in chosen() for s in BOOKS[i.engine].BOOK.situations]
        ids = [f"{i.name}-{name}" for i, name in pairs]
        metafunc.parametrize("installation, name", pairs, ids=ids)
    else:
        metafunc.parametrize("installation", chosen(), ids=lambda installation: installation.name)


class Run:
    """A server that went through all its situations."""

    def __init__(
        self,
        installation: Installation,
        version: str,
        played: dict[str, Played],
        left: list[trail.Row],
        facts: list[dict],
    ):
        self.installation, self.version, self.played, self.left = installation, version, played, left
        # What `sqltrail servers --explain` says of it.
        self.facts = facts
        self.engine, self.numbers = installation.engine, expect.numbers(version)


def play_all(installation: Installation, scratch: pathlib.Path) -> Run:
    book = BOOKS[installation.engine]
    with installation.server(scratch) as server:
        book.prepare(server)
        version = server.version()
        situations = book.BOOK.of(installation.engine, expect.numbers(version))
        with trail.Recorder(scratch / f"{installation.name}-trail", str(server.pid)) as recorder:
            played = play(server, situations, recorder.trail, installation.engine, version)
            left = recorder.trail.rows()
        explain = [trail.binary(), "servers", "--explain", str(server.pid), "--format", "json"]
        explained = subprocess.run(explain, capture_output=True, text=True, check=True).stdout
    run = Run(installation, version, played, left, [json.loads(line) for line in explained.splitlines()])
    if os.environ.get(expect.BLESS) and expect.is_base(run.engine, run.numbers):
        expect.write(run.engine, {name: one.rows for name, one in played.items()})
    return run


@pytest.fixture(scope="module")
def runs(scratch):
    """Gives the run of an installation, which is made when it is asked for first."""
    return functools.cache(lambda installation: play_all(installation, scratch))


@pytest.fixture
def run(runs, installation):
    return runs(installation)


def test_situation(run, name, record_property):
    record_property("server", run.installation.name)
    record_property("system", f"{run.engine} {run.version}")
    record_property("situation", name)
    if name not in run.played:
        pytest.skip(f"not run: {run.engine} {run.version} cannot do it")
    played = run.played[name]
    assert not played.error, played.error
    offences = expect.unlike(played.rows, expect.expected(run.engine, run.numbers, name))
    assert not offences, "\n".join(offences)


def test_no_row_is_left_over(run):
    """Each row belongs to one situation, and nothing was lost."""
    of_situations = sum(len(played.rows) for played in run.played.values())
    rest = [row for row in run.left if row.kind == "lifecycle"]
    assert len(run.left) == of_situations + len(rest), [row for row in run.left if row.kind == "loss"]


def test_every_fact_is_explained(run):
    """Warned of are only functions: slow ones, and those that a version does not have."""
    assert len(run.facts) > 30
    assert [fact for fact in run.facts if fact["detail"].startswith("not found") or not fact["detail"]] == []
