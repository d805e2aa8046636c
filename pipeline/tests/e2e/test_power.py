"""Loss of power at random instants: what was committed is there afterwards, and no file of the archive is torn.

The trail is on a file system of its own, whose device is a file. A copy of that file holds what was written
to the device, and nothing that the kernel only had in memory: it is the disk after a loss of power. The file
is on a second such file system, which is frozen while it is copied, so that a copy is of one instant.
"""

import contextlib
import pathlib
import random
import sqlite3
import subprocess
import tempfile
import threading
import time

import pytest
import test_crash

import trail
from servers import wait_until

LOSSES = 12
# While a recorder stores batches, and while a compaction runs, seconds.
PAUSES_S = (0.05, 0.4)
SEED = 8
INNER_BYTES = 192 << 20
OUTER_BYTES = 640 << 20


def run(*argv: object) -> None:
    done = subprocess.run([str(word) for word in argv], capture_output=True, check=False, text=True)
    assert done.returncode == 0, f"{argv}: {done.stderr}"


@contextlib.contextmanager
def mounted(image: pathlib.Path, at: pathlib.Path, options: str = "loop"):
    at.mkdir()
    run("mount", "-o", options, image, at)
    try:
        yield at
    finally:
        run("umount", at)


def formatted(image: pathlib.Path, size: int) -> pathlib.Path:
    with image.open("wb") as file:
        file.truncate(size)
    run("mkfs.ext4", "-q", "-F", "-E", "lazy_itable_init=0,lazy_journal_init=0", image)
    return image


class Disk:
    """A file system whose device can be copied as it is at one instant."""

    def __init__(self, folder: pathlib.Path, outer: pathlib.Path, image: pathlib.Path, top: pathlib.Path) -> None:
        self.folder, self.outer, self.image, self.top = folder, outer, image, top
        self.losses = 0

    @contextlib.contextmanager
    def after_loss(self):
        """The file system as it would be found if power went now."""
        self.losses += 1
        copy = self.folder / f"lost-{self.losses}.img"
        run("fsfreeze", "--freeze", self.outer)
        try:
            run("cp", "--sparse=always", self.image, copy)
        finally:
            run("fsfreeze", "--unfreeze", self.outer)
        with mounted(copy, self.folder / f"lost-{self.losses}") as found:
            yield found
        copy.unlink()


@pytest.fixture
def disk(scratch):
    folder = pathlib.Path(tempfile.mkdtemp(dir=scratch))
    with mounted(formatted(folder / "outer.img", OUTER_BYTES), folder / "outer") as outer:
        image = formatted(outer / "inner.img", INNER_BYTES)
        with mounted(image, folder / "inner") as top:
            yield Disk(folder, outer, image, top)


def test_the_disk_forgets_what_was_not_synced(disk):
    """The test of the test: a copy has what was synced, and nothing else."""
    (disk.top / "synced").write_bytes(b"kept")
    run("sync", disk.top / "synced", disk.top)
    (disk.top / "unsynced").write_bytes(b"lost")
    with disk.after_loss() as found:
        assert (found / "synced").read_bytes() == b"kept"
        assert not (found / "unsynced").exists()


def last_row(connection: sqlite3.Connection) -> int:
    return connection.execute("select coalesce(max(last_seq), 0) from segments").fetchone()[0]


def assert_survived(found: pathlib.Path, live: trail.Trail, committed: int) -> int:
    """The trail in `found` is whole, has every row up to `committed`, and none that differs. Gives its last row."""
    reader = trail.Trail(found / "trail")
    test_crash.assert_verified(reader.folder)
    with contextlib.closing(reader.connect()) as connection, contextlib.closing(live.connect()) as other:
        last = last_row(connection)
        assert last >= committed
        question = (
            "select seq, time, kind, db_query_text, status_code from events where seq <= ? and status <> 'running'"
        )
        kept, stored = connection.execute(question, [last]), other.execute(question, [last])
        differing = set(kept) - set(stored)
    # A statement that ran at the loss has ended in the live trail; all others are the same.
    assert differing == set()
    return last


def test_committed_rows_survive(scratch, disk, pg):
    chance = random.Random(SEED)
    ended = threading.Event()
    recorder = trail.Recorder(disk.top / "trail", str(pg.pid))
    recorder.stderr_path = scratch / "power.stderr"
    with recorder, pg.connect() as connection:
        client = test_crash.Client("power", connection.execute, ended)
        client.start()
        try:
            for _ in range(LOSSES):
                time.sleep(chance.uniform(*PAUSES_S))
                with contextlib.closing(recorder.trail.connect()) as reader:
                    committed = last_row(reader)
                with disk.after_loss() as found:
                    assert_survived(found, recorder.trail, committed)
        finally:
            ended.set()
            client.join()
        assert client.error is None, client.error
        assert recorder.stop() == 0, recorder.stderr()
    assert committed > 100


def test_archive_is_never_torn(scratch, disk, pg):
    """Power goes at random instants of compactions; a file is whole, or not yet known."""
    chance = random.Random(SEED)
    recorder = trail.Recorder(disk.top / "trail", str(pg.pid))
    recorder.stderr_path = scratch / "torn.stderr"
    states = set()
    for turn in range(LOSSES // 2):
        with recorder, pg.connect() as connection:
            for number in range(200):
                connection.execute(f"select 'torn {turn} {number} {'x' * 200}'")
            assert recorder.stop() == 0, recorder.stderr()
        with contextlib.closing(recorder.trail.connect()) as reader:
            committed = last_row(reader)
        argv = [trail.binary(), "compact", "--seal", "--dir", recorder.folder]
        with subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as compaction:
            time.sleep(chance.uniform(0, 0.08))
            with disk.after_loss() as found:
                assert_survived(found, recorder.trail, committed)
                with contextlib.closing(trail.Trail(found / "trail").connect()) as reader:
                    states |= {state for (state,) in reader.execute("select state from segments")}
            assert wait_until("the compaction ends", 60, lambda c=compaction: c.poll() is not None)
            assert compaction.returncode == 0
    assert {"open", "archived"} <= states
