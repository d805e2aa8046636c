"""While the store cannot take rows, the ring holds them; recording goes on by itself when it can again."""

from __future__ import annotations

import contextlib
import pathlib
import sqlite3
import subprocess
from collections.abc import Callable, Iterator

import pytest

import servers
import trail

STATEMENTS = 300
COMPLAINT_DEADLINE_S = 60


@pytest.fixture
def disk(scratch) -> Iterator[pathlib.Path]:
    """A small file system."""
    folder = scratch / "disk"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", folder], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)
        folder.rmdir()


@contextlib.contextmanager
def full(disk: pathlib.Path) -> Iterator[None]:
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(b"x" * 4096)
    yield
    filler.unlink()


@contextlib.contextmanager
def locked(disk: pathlib.Path) -> Iterator[None]:
    with contextlib.closing(sqlite3.connect(disk / "trail" / "audit.db", isolation_level=None)) as other:
        other.execute("begin immediate")
        yield


@pytest.mark.parametrize("trouble", [full, locked])
def test_rows_wait_for_the_store(trouble: Callable, disk, pg):
    recorder = trail.Recorder(disk / "trail", str(pg.pid))
    # What it says must not need the space that is gone.
    recorder.stderr_path = disk.with_name("disk.stderr")
    with recorder:
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
