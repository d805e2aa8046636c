"""What is old or too much goes, whole segments at a time, and says so; what is held stays."""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import signal
import subprocess
import time

import duckdb
import pytest

import servers
import trail

# Segments that are archived before anything goes, and statements in each.
SEGMENTS = 4
STATEMENTS = 20

# Effects at which letting go can be cut short, in order.
AT_DROP = ["before-drop", "after-drop"]
AT_PURGE = ["before-tombstone", "after-tombstone", "after-unlink", "after-removed"]


def segments(folder: pathlib.Path) -> list[tuple]:
    """Number, state, `seq` and times of each segment."""
    with contextlib.closing(trail.Trail(folder).connect()) as connection:
        return connection.execute(
            "select segment_id, state, first_seq, last_seq, first_time, last_time from segments order by segment_id"
        ).fetchall()


def listed(*arguments: object) -> list[dict]:
    """What a command prints, row by row."""
    lines = trail.sqltrail(*map(str, arguments), "--format", "json").splitlines()
    return [json.loads(line) for line in lines]


def assert_whole(folder: pathlib.Path) -> None:
    found = listed("verify", "--dir", folder)
    assert [row for row in found if row["result"] != "holds"] == []
    # Neither more files than the catalogue has, nor fewer.
    with contextlib.closing(trail.Trail(folder).connect()) as connection:
        named = {path for (path,) in connection.execute("select path from archive_files")}
        half = connection.execute("select count(*) from tombstones where removed_at is null").fetchone()[0]
    files = {str(path.relative_to(folder)) for path in (folder / "archive").rglob("*.parquet")}
    assert named <= files
    assert half or named == files


@pytest.fixture
def archived(scratch, pg, request) -> pathlib.Path:
    """A trail of several archived segments, and an open one."""
    folder = scratch / request.node.name.translate(str.maketrans("[]", "--"))
    for number in range(SEGMENTS):
        with trail.Recorder(folder, str(pg.pid)) as recorder:
            with pg.connect() as connection:
                for statement in range(STATEMENTS):
                    connection.execute(f"select 'segment {number} statement {statement}'")
            assert recorder.stop() == 0, recorder.stderr()
        trail.sqltrail("compact", "--seal", "--dir", folder)
    assert [state for _, state, *_ in segments(folder)] == ["archived"] * SEGMENTS + ["open"]
    return folder


def configured(folder: pathlib.Path, **limits: str) -> pathlib.Path:
    path = folder.with_name(folder.name + ".toml")
    lines = [f'{key} = "{value}"' for key, value in limits.items()]
    path.write_text("\n".join(["[retention]", *lines]))
    return path


def texts(folder: pathlib.Path) -> dict[int, list[str]]:
    """Statements that SQLite shows, by segment."""
    found: dict[int, list[str]] = {}
    for row in trail.Trail(folder).rows("db_query_text like 'select ''segment %'"):
        _, _, number, *_ = row.db_query_text.split()
        found.setdefault(int(number), []).append(row.db_query_text)
    return found


def told(folder: pathlib.Path) -> list[tuple[str, str]]:
    rows = trail.Trail(folder).rows("command in ('hold', 'release', 'drop', 'purge')")
    assert {row.kind for row in rows} <= {"lifecycle"}
    return [(row.command, row.error_message) for row in rows]


def shown(time_us: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(time_us // 1_000_000)) + f".{time_us % 1_000_000:06d}Z"


def test_what_goes_is_told_and_what_is_held_stays(archived):
    second = segments(archived)[1]
    (held,) = hold(archived, "add", *span(archived, 1), "--reason", "case 7")
    assert (held["hold"], held["state"], held["by"]) == (1, "in force", "counsel")
    config = configured(archived, hot_age="0s", total_age="0s")
    retain = ("retain", "--config", config, "--dir", archived)

    before = segments(archived)
    would = [(row["action"], row["segment"]) for row in listed(*retain, "--dry-run")]
    # The row of the hold is in a segment that is not archived.
    assert would == [("purge", 1), ("held", 2), ("purge", 3), ("purge", 4), ("drop", 2)]
    assert segments(archived) == before

    done = [(row["action"], row["segment"]) for row in listed(*retain, "--by", "a test")]
    assert done == [step for step in would if step[0] != "held"]
    assert_whole(archived)
    assert [state for _, state, *_ in segments(archived)][:4] == ["purged", "dropped", "purged", "purged"]
    assert texts(archived) == {}
    with duckdb.connect() as connection:
        files = [str(path) for path in (archived / "archive").rglob("*.parquet")]
        rows = connection.execute("select min(seq), max(seq) from read_parquet(?)", [files]).fetchall()
    assert rows == [second[2:4]]
    # Everything that happened is a row, and the numbers go on.
    said = told(archived)
    assert [command for command, _ in said] == ["hold", "purge", "purge", "purge", "drop"]
    assert said[0][1].endswith(", by counsel: case 7")
    first = before[0]
    assert said[1][1].startswith(f"segment 1, seq {first[2]} to {first[3]}, ")
    assert ": total_age, by a test, configuration " in said[1][1]

    (released,) = hold(archived, "release", "1", "--reason", "settled")
    assert (released["state"], released["release_reason"]) == ("released", "settled")
    assert [row["segment"] for row in listed(*retain)] == [2]
    assert_whole(archived)
    assert [command for command, _ in told(archived)][-2:] == ["release", "purge"]
    assert not list((archived / "archive").rglob("date=*"))


def span(folder: pathlib.Path, number: int) -> list[str]:
    """Flags for the time of a segment's statements; what the recorder says of itself is older and younger."""
    rows = trail.Trail(folder).rows("db_query_text like ?", f"select 'segment {number} %")
    times = [row.time for row in rows]
    return ["--from", shown(min(times)), "--to", shown(max(times))]


def hold(folder: pathlib.Path, what: str, *arguments: str) -> list[dict]:
    """Changes a hold; gives how it is listed then."""
    trail.sqltrail("hold", what, *arguments, "--by", "counsel", "--dir", folder)
    return listed("hold", "list", "--dir", folder)


def test_a_hold_that_is_none_is_refused(archived):
    for arguments, said in [
        (["release", "1", "--reason", "x"], "no hold 1 is in force"),
        (["add", "--from", "2026-11-23", "--to", "2026-11-22", "--reason", "x"], "is after"),
        (["add", "--from", "soon", "--to", "2026-11-22", "--reason", "x"], "`soon` is not a time"),
    ]:
        argv = [trail.binary(), "hold", *arguments, "--dir", archived]
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
        assert done.returncode == 1
        assert said in done.stderr
    assert listed("hold", "list", "--dir", archived) == []


def test_killed_at_each_boundary(archived):
    last = max((archived / "archive").rglob("*.parquet"), key=lambda path: int(path.stem.split("-")[0]))
    for points, limits in [(AT_DROP, {"hot_age": "0s"}), (AT_PURGE, {"total_bytes": str(last.stat().st_size)})]:
        argv = [trail.binary(), "retain", "--config", configured(archived, **limits), "--dir", archived]
        for point in points:
            environment = os.environ | {"SQLTRAIL_CRASH_AT": point}
            done = subprocess.run(argv, env=environment, capture_output=True, check=False)
            assert done.returncode == -signal.SIGKILL, f"{point}: {done.returncode} {done.stderr}"
            assert_whole(archived)
        trail.sqltrail(*argv[1:])
        assert_whole(archived)
    assert [state for _, state, *_ in segments(archived)][:SEGMENTS] == ["purged"] * (SEGMENTS - 1) + ["dropped"]
    # Each went once, whoever told it.
    commands = [command for command, _ in told(archived)]
    assert (commands.count("drop"), commands.count("purge")) == (SEGMENTS, SEGMENTS - 1)
    assert list((archived / "archive").rglob("*.parquet")) == [last]


def test_the_recorder_lets_go_by_itself(archived, pg):
    config = configured(archived)
    with trail.Recorder(archived, "--config", config, str(pg.pid)) as recorder:
        # Beside the recorder, which makes a row of it.
        hold(archived, "add", *span(archived, 0), "--reason", "case 8")
        recorder.trail.wait_for_one("command = 'hold'")
        size = sum(path.stat().st_size for path in (archived / "archive").rglob("*.parquet"))
        configured(archived, hot_age="0s", total_bytes=f"{size - 1}")
        recorder.process.send_signal(signal.SIGHUP)
        purge = recorder.trail.wait_for_one("command = 'purge'")
        assert purge.error_message.startswith("segment 2, ")
        assert ": total_bytes, by the recorder, configuration " in purge.error_message
        servers.wait_until("rows are dropped", trail.ROW_DEADLINE_S,
                           lambda: len(recorder.trail.rows("command = 'drop'")) == SEGMENTS - 1)  # fmt: skip
        assert_whole(archived)
        with pg.connect() as connection:
            connection.execute("select 'after'")
            recorder.trail.wait_for_one("db_query_text = ?", "select 'after'")
        assert texts(archived) == {}
        assert recorder.stop() == 0, recorder.stderr()
    assert_whole(archived)
    states = [state for _, state, *_ in segments(archived)][:SEGMENTS]
    assert states == ["dropped", "purged", "dropped", "dropped"]


def test_what_a_kill_leaves_is_ended_at_the_next_start(archived, pg):
    config = configured(archived, total_bytes="0")
    argv = [trail.binary(), "retain", "--config", config, "--dir", archived]
    environment = os.environ | {"SQLTRAIL_CRASH_AT": "after-tombstone"}
    assert subprocess.run(argv, env=environment, capture_output=True, check=False).returncode == -signal.SIGKILL
    assert_whole(archived)
    assert list((archived / "archive").rglob("1-1.parquet"))
    with trail.Recorder(archived, str(pg.pid)) as recorder:
        recorder.trail.wait_for_one("command = 'purge'")
        servers.wait_until("the file is gone", trail.ROW_DEADLINE_S,
                           lambda: not list((archived / "archive").rglob("1-1.parquet")))  # fmt: skip
        assert recorder.stop() == 0, recorder.stderr()
    assert_whole(archived)
    assert [state for _, state, *_ in segments(archived)][:2] == ["purged", "archived"]
