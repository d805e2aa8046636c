"""A recorder that is killed at any instant stores every statement once, and says so itself."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import pathlib
import random
import signal
import subprocess
import threading
from collections.abc import Iterator

import duckdb
import pytest

import servers
import trail

KILLS = 50
# From a start that has hardly begun to one that has committed several batches, seconds.
LIVES_S = (0.0, 0.9)
# Fixed, so that a failure can be had again; the machine's timing does the rest.
SEED = 4
DEATH_DEADLINE_S = 60
CLIENTS = 2
PAUSE_S = 0.002
# Several times what a ring of 1 MiB holds.
OVERRUN = 4_000

# Effects at which the recorder can be killed, and the how-manieth time: those of a start, and of each batch.
AT_BATCHES = ["before-batch", "before-commit", "after-commit", "before-release", "after-release"]
BOUNDARIES = ["maps-pinned:1", *(f"{point}:{time}" for point in AT_BATCHES for time in (1, 2, 3))]
# Those of a recorder that finds nothing pinned.
AT_FIRST = ["fact-pinned:1", "fact-pinned:4", "maps-pinned:1", "attached:1", "link-pinned:1", "link-pinned:3"]

# Those of a compaction, in order.
AT_COMPACTION = ["before-sealed", "after-sealed", "file-made", "before-sync", "before-rename", "after-rename",
                 "before-archived", "after-archived"]  # fmt: skip


class Client(threading.Thread):
    """Runs numbered statements one after the other until told to end."""

    def __init__(self, name: str, run, ended: threading.Event) -> None:
        super().__init__()
        self.name, self.run_one, self.ended = name, run, ended
        self.texts: list[str] = []
        self.error: BaseException | None = None

    def run(self) -> None:
        try:
            for number in itertools.count():
                if self.ended.wait(PAUSE_S):
                    return
                text = f"select 'crash {self.name} {number}'"
                self.run_one(text)
                self.texts.append(text)
        except BaseException as error:
            self.error = error


@contextlib.contextmanager
def load(pg, my) -> Iterator[list[Client]]:
    """Steady load from several sessions; at the end every client's `texts` are all that it ran."""
    ended = threading.Event()
    with contextlib.ExitStack() as stack:
        clients = []
        for number in range(CLIENTS):
            one = stack.enter_context(pg.connect(application_name=f"crash {number}"))
            cursor = stack.enter_context(stack.enter_context(my.connect()).cursor())
            clients += [Client(f"pg {number}", one.execute, ended), Client(f"my {number}", cursor.execute, ended)]
        for client in clients:
            client.start()
        try:
            yield clients
        finally:
            ended.set()
            for client in clients:
                client.join()
    for client in clients:
        assert client.error is None, client.error


def kill_after(recorder: trail.Recorder, seconds: float) -> None:
    recorder.start()
    with contextlib.suppress(subprocess.TimeoutExpired):
        recorder.process.wait(seconds)
        recorder.must_run()
    recorder.kill()


def die_at(recorder: trail.Recorder, boundary: str) -> None:
    recorder.environment = {"SQLTRAIL_CRASH_AT": boundary}
    recorder.start()
    recorder.environment = {}
    code = recorder.process.wait(DEATH_DEADLINE_S)
    assert code == -signal.SIGKILL, f"{boundary}: {code} {recorder.stderr()}"


def assert_whole(running: trail.Trail, clients: list[Client]) -> None:
    """Every statement is there once, as it ended, with who ran it, and nothing is said to be lost."""
    rows = running.rows()
    assert [row.seq for row in rows] == list(range(1, len(rows) + 1))
    assert [row for row in rows if row.kind == "loss"] == []
    by_text: dict[str, list[trail.Row]] = {}
    for row in rows:
        if row.kind == "query" and "'crash " in (row.db_query_text or ""):
            by_text.setdefault(row.db_query_text, []).append(row)
    expected = [text for client in clients for text in client.texts]
    assert len(expected) > 1_000
    missing = [text for text in expected if text not in by_text]
    doubled = [text for text, found in by_text.items() if len(found) != 1]
    invented = set(by_text) - set(expected)
    assert (missing[:5], doubled[:5], sorted(invented)[:5]) == ([], [], [])
    for client in clients:
        found = [by_text[text][0] for text in client.texts]
        assert [row.seq for row in found] == sorted(row.seq for row in found), client.name
        who = {(row.db_user, row.db_namespace, row.client_address, row.status, row.rows_returned) for row in found}
        user = "alice" if client.name.startswith("pg") else "bob"
        assert who == {(user, "shop", "local", "ok", 1)}
        assert len({row.session_id for row in found}) == 1
        if user == "alice":
            assert {row.application_name for row in found} == {f"crash {client.name[-1]}"}


def assert_verified(folder: pathlib.Path) -> None:
    lines = trail.sqltrail("verify", "--format", "json", "--dir", folder).splitlines()
    found = [json.loads(line) for line in lines]
    assert [row for row in found if row["result"] != "holds"] == []
    assert len(found) == 6


def compact_killed_at_each_boundary(folder: pathlib.Path) -> None:
    """Archives the trail in `folder`; nothing that a killed compaction leaves is in the way of the next."""
    argv = [trail.binary(), "compact", "--seal", "--dir", folder]
    for boundary in AT_COMPACTION:
        environment = os.environ | {"SQLTRAIL_CRASH_AT": boundary}
        done = subprocess.run(argv, env=environment, capture_output=True, check=False)
        assert done.returncode == -signal.SIGKILL, f"{boundary}: {done.returncode} {done.stderr}"
        assert_verified(folder)
    trail.sqltrail(*argv[1:])
    assert_verified(folder)


def assert_archived(running: trail.Trail) -> None:
    """The Parquet files are the trail, and beside them there is nothing."""
    files = sorted(path for path in (running.folder / "archive").rglob("*") if not path.is_dir())
    with duckdb.connect() as connection:
        archived = connection.execute(
            "select seq, db_query_text, status from read_parquet(?) order by seq", [[str(path) for path in files]]
        ).fetchall()
    assert archived == [(row.seq, row.db_query_text, row.status) for row in running.rows()]


def restarted(recorder: trail.Recorder) -> None:
    """The last start, which lives until everything is stored."""
    recorder.start()
    servers.wait_until("the recorder goes on", trail.READY_DEADLINE_S, recorder.attached)


def test_killed_at_random_and_at_each_boundary(scratch, pg, my):
    chance = random.Random(SEED)
    with trail.Recorder(scratch / "crash", str(pg.pid), str(my.pid)) as recorder:
        with load(pg, my) as clients:
            recorder.kill()
            for boundary in BOUNDARIES:
                die_at(recorder, boundary)
            for _ in range(KILLS):
                kill_after(recorder, chance.uniform(*LIVES_S))
            restarted(recorder)
        assert recorder.stop() == 0, recorder.stderr()
    assert_whole(recorder.trail, clients)
    folder = scratch / "crash"
    assert_verified(folder)
    compact_killed_at_each_boundary(folder)
    assert_archived(recorder.trail)
    rows = recorder.trail.rows("kind = 'lifecycle'")
    said = [row.command for row in rows]
    # The first recorder, and each after it that was killed once it had begun to record.
    assert said.count("crash") >= len(BOUNDARIES)
    assert "not_recording" not in said
    assert said[-1] == "stop"


@pytest.mark.parametrize("boundary", AT_FIRST)
def test_a_first_start_that_is_killed_can_be_done_again(boundary, scratch, pg, my):
    recorder = trail.Recorder(scratch / f"first-{boundary.replace(':', '-')}", str(pg.pid), str(my.pid))
    die_at(recorder, boundary)
    with recorder:
        with pg.connect() as one, my.connect() as other, other.cursor() as cursor:
            one.execute("select 'once'")
            cursor.execute("select 'once'")
        assert recorder.stop() == 0, recorder.stderr()
    rows = recorder.trail.rows("db_query_text = ?", "select 'once'")
    assert sorted((row.db_system_name, row.status) for row in rows) == [("mariadb", "ok"), ("postgresql", "ok")]
    assert recorder.trail.rows("kind = 'loss'") == []


def test_what_runs_at_a_kill_is_running_until_it_ends(scratch, pg, my):
    """Its row is seen while it runs, and is completed by a recorder that did not see it begin."""
    with trail.Recorder(scratch / "in-flight", str(pg.pid), str(my.pid)) as recorder:
        with pg.connect(user="postgres") as lock, pg.connect() as one, my.connect() as other, my.connect() as holder:
            lock.execute("select pg_advisory_lock(4)")
            with holder.cursor() as cursor:
                cursor.execute("select get_lock('four', 0)")
            slow = "select pg_advisory_xact_lock(4); select 'second piece'"
            waits = "select get_lock('four', 60); select 'second piece'"
            threads = [
                threading.Thread(target=one.pgconn.exec_, args=(slow.encode(),)),
                threading.Thread(target=run_all, args=(other, waits)),
            ]
            for thread in threads:
                thread.start()
            which = "status = 'running' and db_query_text like 'select %lock(%'"
            servers.wait_until("both run", trail.ROW_DEADLINE_S, lambda: len(recorder.trail.rows(which)) == 2)
            recorder.kill()
            before = recorder.trail.rows(which)
            lock.execute("select pg_advisory_unlock(4)")
            with holder.cursor() as cursor:
                cursor.execute("select release_lock('four')")
            for thread in threads:
                thread.join()
            restarted(recorder)
        assert recorder.stop() == 0, recorder.stderr()
    assert sorted(row.text for row in before) == sorted([slow.encode(), waits.encode()])
    for row in before:
        after = recorder.trail.rows("message_seq = ?", row.seq)
        assert trail.joined(after) == row.text
        assert [(piece.status, piece.db_query_text.strip("; ")) for piece in after] == [
            ("ok", row.db_query_text.split(";")[0]),
            ("ok", "select 'second piece'"),
        ]
        assert after[0].seq == row.seq
        assert after[0].duration_us > 2_000_000


def run_all(connection, text: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(text)
        while cursor.nextset():
            pass


def test_stored_and_lost_are_what_ran_while_nobody_read(scratch, pg):
    """The ring takes what it can hold and counts the rest, over two kills."""
    with trail.Recorder(scratch / "overload", "--ring-bytes", "1MiB", str(pg.pid)) as recorder:
        with pg.connect() as connection:
            pid = connection.info.backend_pid
            for turn in range(2):
                recorder.kill()
                for number in range(OVERRUN):
                    connection.execute(f"select 'overload {turn} {number} {'x' * 400}'")
                restarted(recorder)
                text = f"select 'read again {turn}'"
                connection.execute(text)
                recorder.trail.wait_for_one("db_query_text = ?", text)
        assert recorder.stop() == 0, recorder.stderr()
    stored = recorder.trail.rows("server_pid = ? and db_query_text like 'select ''overload _% x%'", pid)
    lost: dict[str, int] = {}
    for row in recorder.trail.rows("kind = 'loss'"):
        lost[row.command] = lost.get(row.command, 0) + row.repeat_count
    assert 0 < len(stored) < 2 * OVERRUN
    assert len({row.db_query_text for row in stored}) == len(stored)
    assert len(stored) + lost["ring_full"] == 2 * OVERRUN
    assert sum(row.status == "unknown" for row in stored) == lost.get("ring_full_end", 0)


def test_probes_that_are_kept_miss_nothing(scratch, pg):
    with trail.Recorder(scratch / "kept", "--keep-probes", str(pg.pid)) as recorder:
        with pg.connect() as connection:
            connection.execute("select 'before'")
            assert recorder.stop() == 0, recorder.stderr()
            connection.execute("select 'meanwhile'")
            restarted(recorder)
            connection.execute("select 'after'")
        assert recorder.stop() == 0, recorder.stderr()
    texts = "db_query_text in ('select ''before''', 'select ''meanwhile''', 'select ''after''')"
    assert [row.db_user for row in recorder.trail.rows(texts)] == ["alice"] * 3
    said = [row.command for row in recorder.trail.rows("kind = 'lifecycle'")]
    assert said.count("adopt") == 1
    assert not {"crash", "not_recording"} & set(said)


def test_time_without_probes_is_on_record(scratch, pg):
    recorder = trail.Recorder(scratch / "gap", str(pg.pid))
    with recorder:
        assert recorder.stop() == 0
    with recorder:
        assert recorder.stop() == 0
    stop, gap = recorder.trail.rows("command in ('stop', 'not_recording')")[:2]
    assert (stop.command, gap.command) == ("stop", "not_recording")
    assert abs(gap.time - stop.time) < 1_000_000
    assert gap.duration_us > 0


def layout(pins: pathlib.Path) -> pathlib.Path:
    """The folder of the records' layout, named by its version."""
    (folder,) = pins.iterdir()
    return folder


def left_by_another(recorder: trail.Recorder, pg, change) -> list[trail.Row]:
    """The trail of a recorder that finds the pins of one that was killed, and changed by `change`."""
    with recorder:
        with pg.connect() as connection:
            connection.execute("select 'read'")
            recorder.trail.wait_for("db_query_text = ?", "select 'read'")
            recorder.kill()
            for number in range(3):
                connection.execute(f"select 'left {number}'")
            change(recorder.pins)
            restarted(recorder)
            connection.execute("select 'after'")
            recorder.trail.wait_for_one("db_query_text = ?", "select 'after'")
        assert recorder.stop() == 0, recorder.stderr()
    assert not recorder.pins.exists()
    rows = recorder.trail.rows()
    assert [row.seq for row in rows] == list(range(1, len(rows) + 1))
    return rows


def test_what_other_programs_left_is_read_to_its_end(scratch, pg):
    def change(pins) -> None:
        fact = layout(pins) / "object"
        fact.unlink()
        fact.symlink_to("another")

    rows = left_by_another(trail.Recorder(scratch / "older", str(pg.pid)), pg, change)
    left = [row for row in rows if "'left " in (row.db_query_text or "")]
    assert [(row.db_query_text, row.db_user, row.status) for row in left] == [
        (f"select 'left {number}'", "alice", "ok") for number in range(3)
    ]
    assert [row for row in rows if row.kind == "loss"] == []
    assert {"drain", "not_recording", "crash"} <= {row.command for row in rows if row.kind == "lifecycle"}


def test_what_another_layout_left_is_counted(scratch, pg):
    rows = left_by_another(
        trail.Recorder(scratch / "other", str(pg.pid)), pg, lambda pins: layout(pins).rename(pins / "0")
    )
    assert not [row for row in rows if "'left " in (row.db_query_text or "")]
    (loss,) = [row for row in rows if row.kind == "loss"]
    # At least a beginning and an end of each statement.
    assert loss.command == "other_version"
    assert loss.repeat_count >= 6


def test_pins_are_one_recorders(scratch, pg):
    with trail.Recorder(scratch / "pins", str(pg.pid)) as recorder:
        assert "held by another recorder" in refused(recorder, scratch / "pins-other")
        recorder.kill()
        assert "belong to another trail" in refused(recorder, scratch / "pins-other")
        trail.sqltrail("detach", "--pin-path", recorder.pins)
        assert not list(recorder.pins.iterdir())


def refused(recorder: trail.Recorder, folder) -> str:
    argv = [trail.binary(), "record", "--dir", folder, "--pin-path", recorder.pins]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert "hint: " in done.stderr
    return done.stderr
