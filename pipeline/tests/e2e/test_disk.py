"""While the store cannot take rows, or must not, the ring holds them; recording goes on by itself when it can again."""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import secrets
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator

import pytest

import servers
import trail

STATEMENTS = 300
COMPLAINT_DEADLINE_S = 60
# What the write-ahead log keeps of the disk.
WAL_BYTES_TOLD = 256 << 20


@pytest.fixture
def disk(scratch) -> Iterator[pathlib.Path]:
    """A small file system."""
    folder = scratch / "disk"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=32m", "tmpfs", folder], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)
        folder.rmdir()


@contextlib.contextmanager
def full(disk: pathlib.Path) -> Iterator[None]:
    filled(disk, 0)
    yield
    (disk / "filler").unlink()


def filled(disk: pathlib.Path, free: int) -> None:
    """Takes space until no more than `free` bytes are left."""
    with (disk / "filler").open("ab", buffering=0) as file, contextlib.suppress(OSError):
        while free_bytes(disk) > free or not free:
            file.write(b"x" * 4096)


def free_bytes(disk: pathlib.Path) -> int:
    space = os.statvfs(disk)
    return space.f_bavail * space.f_frsize


def recorder_on(disk: pathlib.Path, pg, *lines: str) -> trail.Recorder:
    config = disk.with_name("disk.toml")
    config.write_text("\n".join(["[disk]", *lines]))
    recorder = trail.Recorder(disk / "trail", "--config", config, str(pg.pid))
    # What it says must not need the space that is gone.
    recorder.stderr_path = disk.with_name("disk.stderr")
    return recorder


@contextlib.contextmanager
def locked(disk: pathlib.Path) -> Iterator[None]:
    with contextlib.closing(sqlite3.connect(disk / "trail" / "audit.db", isolation_level=None)) as other:
        other.execute("begin immediate")
        yield


@pytest.mark.parametrize("trouble", [full, locked])
def test_rows_wait_for_the_store(trouble: Callable, disk, pg):
    with recorder_on(disk, pg, 'warn_free = "0"', 'act_free = "0"') as recorder:
        with pg.connect() as connection:
            connection.execute("select 'before'")
            recorder.trail.wait_for("db_query_text = ?", "select 'before'")
            with trouble(disk):
                for number in range(STATEMENTS):
                    connection.execute(f"select 'waits {number} {'x' * 2000}'")
                servers.wait_until(
                    "the recorder says that it cannot store",
                    COMPLAINT_DEADLINE_S,
                    lambda: "cannot store" in recorder.stderr(),
                )
            connection.execute("select 'after'")
            recorder.trail.wait_for_one("db_query_text = ?", "select 'after'")
        assert recorder.stop() == 0, recorder.stderr()
    rows = recorder.trail.rows()
    assert [row.seq for row in rows] == list(range(1, len(rows) + 1))
    waited = [row.db_query_text.split()[2] for row in rows if "'waits " in (row.db_query_text or "")]
    assert waited == [str(number) for number in range(STATEMENTS)]
    assert [row for row in rows if row.kind == "loss"] == []
    assert [row.kind for row in rows if row.command == "disk"]
    assert "storing again" in recorder.stderr()


LEVELS = ('warn_free = "12MiB"', 'act_free = "6MiB"')


def status(folder: pathlib.Path) -> tuple[int, dict[str, object]]:
    """Exit code and facts."""
    argv = [trail.binary(), "status", "--format", "json", "--dir", folder]
    done = subprocess.run(argv, capture_output=True, check=False)
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    return done.returncode, {row["name"]: row["value"] for row in rows}


def told(recorder: trail.Recorder) -> list[str]:
    return [row.error_message for row in recorder.trail.rows("command = 'disk'")]


def wait_told(recorder: trail.Recorder, what: str) -> None:
    servers.wait_until(f"the trail says {what}", trail.ROW_DEADLINE_S,
                       lambda: any(what in said for said in told(recorder)))  # fmt: skip


def test_reading_stops_before_the_disk_is_full(disk, pg):
    with recorder_on(disk, pg, *LEVELS) as recorder, pg.connect() as connection:
        filled(disk, 10 << 20)
        wait_told(recorder, "less than warn_free, 12MiB")
        code, facts = status(recorder.folder)
        servers.wait_until("status knows", trail.ROW_DEADLINE_S,
                           lambda: status(recorder.folder)[1].get("disk") == "warn")  # fmt: skip
        assert (code, facts["state"]) == (0, "recording")
        connection.execute("select 'little'")
        recorder.trail.wait_for_one("db_query_text = ?", "select 'little'")

        filled(disk, 5 << 20)
        wait_told(recorder, "less than act_free, 6MiB")
        wait_told(recorder, "nothing more is read")
        servers.wait_until("status knows", trail.ROW_DEADLINE_S,
                           lambda: status(recorder.folder)[1].get("disk") == "act")  # fmt: skip
        code, facts = status(recorder.folder)
        assert (code, facts["state"], facts["reading"]) == (1, "held up", "stopped, the disk is full")
        for number in range(STATEMENTS):
            connection.execute(f"select 'waits {number}'")
        # Longer than any row may take.
        deadline = time.monotonic() + 3
        while time.monotonic() < deadline:
            assert recorder.trail.rows("db_query_text like 'select ''waits %'") == []
        (disk / "filler").unlink()
        recorder.trail.wait_for_one("db_query_text = ?", f"select 'waits {STATEMENTS - 1}'")
        wait_told(recorder, "reading goes on")
        assert recorder.stop() == 0, recorder.stderr()
    assert len(recorder.trail.rows("db_query_text like 'select ''waits %'")) == STATEMENTS
    assert recorder.trail.rows("kind = 'loss'") == []
    said = told(recorder)
    assert [line.split(", ")[-1] for line in said if "free" in line] == ["12MiB", "6MiB", said[-2]]


def test_the_oldest_archive_goes_but_for_what_is_held(disk, pg):
    """Segments of more than a mebibyte each, the first of which is held."""
    folder = disk / "trail"
    for number in range(3):
        with recorder_on(disk, pg, 'warn_free = "0"', 'act_free = "0"') as recorder, pg.connect() as connection:
            for _ in range(40):
                connection.execute(f"select 'segment {number} {secrets.token_hex(30_000)}'")
            assert recorder.stop() == 0, recorder.stderr()
        trail.sqltrail("compact", "--seal", "--dir", folder)
    first = trail.Trail(folder).rows("db_query_text like 'select ''segment 0 %'")[0]
    trail.sqltrail("hold", "add", "--from", first.time_text, "--to", first.time_text, "--reason", "x", "--dir", folder)

    drop = 'on_disk_full = "drop-oldest-archive"'
    with recorder_on(disk, pg, 'warn_free = "2MiB"', 'act_free = "2MiB"', drop) as recorder, pg.connect() as connection:
        filled(disk, (2 << 20) - 100_000)
        (purge,) = recorder.trail.wait_for("command = 'purge'")
        assert purge.error_message.startswith("segment 2, ")
        assert ": on_disk_full, by the recorder, " in purge.error_message
        connection.execute("select 'goes on'")
        recorder.trail.wait_for_one("db_query_text = ?", "select 'goes on'")
        # There is but one more that may go.
        filled(disk, 0)
        wait_told(recorder, "nothing more is read")
        (disk / "filler").unlink()
        wait_told(recorder, "reading goes on")
        assert recorder.stop() == 0, recorder.stderr()
    purged = [row.error_message.split(",")[0] for row in recorder.trail.rows("command = 'purge'")]
    assert purged == ["segment 2", "segment 3"]
    (left,) = (folder / "archive").rglob("*.parquet")
    assert left.name.startswith("1-")
    found = trail.sqltrail("verify", "--format", "csv", "--dir", folder)
    assert "violated" not in found


def test_recording_ends_when_the_disk_is_full(disk, pg):
    halt = 'on_disk_full = "halt"'
    with recorder_on(disk, pg, *LEVELS, halt) as recorder, pg.connect() as connection:
        connection.execute("select 'before'")
        recorder.trail.wait_for_one("db_query_text = ?", "select 'before'")
        filled(disk, 5 << 20)
        assert recorder.process.wait(trail.STOP_DEADLINE_S) == 1
        assert "the disk is full: " in recorder.stderr()
        assert "hint: free space" in recorder.stderr()
        assert told(recorder)[-1].endswith("less than act_free, 6MiB: recording ends")
        # It does not begin either, and writes nothing.
        before = len(recorder.trail.rows())
        recorder.start()
        assert recorder.process.wait(trail.STOP_DEADLINE_S) == 1
        assert "hint: free space" in recorder.stderr()
        assert len(recorder.trail.rows()) == before
        (disk / "filler").unlink()
        recorder.start()
        servers.wait_until("the recorder goes on", trail.READY_DEADLINE_S, recorder.attached)
        connection.execute("select 'after'")
        recorder.trail.wait_for_one("db_query_text = ?", "select 'after'")
        assert recorder.stop() == 0, recorder.stderr()
    rows = recorder.trail.rows()
    assert [row.seq for row in rows] == list(range(1, len(rows) + 1))
    # The time without a recorder is on record.
    assert [row.command for row in rows if row.command in ("crash", "not_recording")] == ["crash"]


def stored(recorder: trail.Recorder) -> int:
    recorder.must_run()
    with contextlib.closing(recorder.trail.connect()) as connection:
        return connection.execute("select max(last_seq) from segments").fetchone()[0]


def test_a_reader_that_stays_holds_up_nobody_and_is_told(scratch, pg):
    """The write-ahead log grows while somebody keeps a snapshot, which is said, and is small again afterwards."""
    folder = scratch / "held"
    wal = folder / "audit.db-wal"
    with trail.Recorder(folder, str(pg.pid)) as recorder, pg.connect() as connection:
        connection.execute("select 'first'")
        recorder.trail.wait_for_one("db_query_text = ?", "select 'first'")
        with contextlib.closing(recorder.trail.connect()) as reader:
            reader.execute("begin")
            count = reader.execute("select count(*) from events").fetchone()
            sent = 0
            while wal.stat().st_size <= WAL_BYTES_TOLD:
                for _ in range(100):
                    connection.execute(f"select '{'x' * 60_000}'")
                sent += 100
                # No faster than rows are stored, so that the ring holds them all.
                servers.wait_until("rows are stored", trail.ROW_DEADLINE_S,
                                   lambda sent=sent: stored(recorder) > sent)  # fmt: skip
            (held,) = recorder.trail.wait_for("command = 'wal'")
            assert f"reading now: {os.getpid()}" in held.error_message
            servers.wait_until("status knows", trail.ROW_DEADLINE_S,
                               lambda: "wal_held_since" in status(folder)[1])  # fmt: skip
            connection.execute("select 'last'")
            recorder.trail.wait_for_one("db_query_text = ?", "select 'last'")
            assert reader.execute("select count(*) from events").fetchone() == count
        servers.wait_until("it is told", trail.ROW_DEADLINE_S,
                           lambda: len(recorder.trail.rows("command = 'wal'")) == 2)  # fmt: skip
        servers.wait_until("the log is small", trail.ROW_DEADLINE_S, lambda: wal.stat().st_size <= WAL_BYTES_TOLD)
        servers.wait_until("status knows", trail.ROW_DEADLINE_S,
                           lambda: "wal_held_since" not in status(folder)[1])  # fmt: skip
        assert recorder.stop() == 0, recorder.stderr()
    assert recorder.trail.rows("kind = 'loss'") == []
