"""Servers that come and go: upgraded, crashed, seen through several mounts. What happened is a row."""

from __future__ import annotations

import contextlib
import os
import pathlib
import shutil
import signal
import subprocess

import pymysql
import pytest

import conftest
import trail


def lifecycle(reader: trail.Trail, what: str, text: str) -> list[str]:
    rows = reader.wait_for("kind = 'lifecycle' and command = ? and instr(error_message, ?)", what, text)
    return [row.error_message for row in rows]


class MariaDBFrom(conftest.MariaDBUnderTest):
    """Runs a binary of its own."""

    def __init__(self, root: pathlib.Path, binary: pathlib.Path) -> None:
        super().__init__(root)
        self.server = str(binary)

    def start(self) -> None:
        if not self.data.exists():
            super().start()
            self.make_accounts()
            return
        assert self.argv
        self.launch(*self.argv)

    def launch(self, *argv: str) -> None:
        self.argv = argv
        super().launch(*argv)


@pytest.fixture
def own_binary(scratch: pathlib.Path, request: pytest.FixtureRequest):
    folder = scratch / f"bin-{request.node.name}"
    folder.mkdir()
    return pathlib.Path(shutil.copy2("/usr/sbin/mariadbd", folder / "mariadbd"))


def run_once(reader: trail.Trail, server: MariaDBFrom, text: str) -> None:
    """`text` runs on the server, and is on record once with its outcome."""
    with server.connect() as connection:
        session = conftest.MySession(reader, server, connection)
        session.run(text)
        assert [(row.db_query_text, row.status) for row in session.rows()] == [(text, "ok")]


def test_an_upgraded_server_is_attached_again(scratch, own_binary):
    """As a package manager does it: another file takes the name, then the server is restarted."""
    with MariaDBFrom(scratch / "upgraded", own_binary) as server:
        with trail.Recorder(scratch / "upgraded-trail", str(own_binary)) as running:
            reader, old = running.trail, server.pid
            run_once(reader, server, "select 'before'")
            new = pathlib.Path(shutil.copy2(own_binary, own_binary.with_suffix(".new")))
            os.replace(new, own_binary)
            run_once(reader, server, "select 'replaced'")
            server.stop()
            (stopped,) = lifecycle(reader, "server_stop", f"pid {old}")
            (detached,) = lifecycle(reader, "detach", str(own_binary))
            server.start()
            (attached,) = lifecycle(reader, "attach", f"pid {server.pid}")
            run_once(reader, server, "select 'after'")
            assert running.stop() == 0, running.stderr()
    assert stopped.startswith("mariadb ") and str(own_binary) in stopped
    assert detached.endswith("it was replaced or removed, and no process runs it any more")
    assert attached.startswith("mariadb ") and str(own_binary) in attached
    texts = [row.db_query_text for row in reader.rows("kind = 'query' and db_query_text like 'select ''%'")]
    for text in ("select 'before'", "select 'replaced'", "select 'after'"):
        assert texts.count(text) == 1


def test_a_restarted_server_is_followed(scratch, own_binary):
    """The probes stay on the file, so nothing is missed: not even the first login."""
    with MariaDBFrom(scratch / "restarted", own_binary) as server:
        with trail.Recorder(scratch / "restarted-trail", str(own_binary)) as running:
            old = server.pid
            server.stop()
            server.start()
            with server.connect() as connection, connection.cursor() as cursor:
                own = (server.pid, str(connection.thread_id()))
                cursor.execute("select 'at once'")
            lifecycle(running.trail, "server_stop", f"pid {old}")
            lifecycle(running.trail, "server_start", f"pid {server.pid}")
            running.trail.wait_for_one("kind = 'disconnect' and server_pid = ? and session_id = ?", *own)
            rows = running.trail.rows("server_pid = ? and session_id = ?", *own)
            assert [row.kind for row in rows if row.kind != "query"] == ["connect", "disconnect"]
            assert "select 'at once'" in [row.db_query_text for row in rows]
            assert len(running.trail.rows("kind = 'lifecycle' and command = 'attach'")) == 1
            assert not running.trail.rows("kind = 'lifecycle' and command = 'detach'")


def test_a_crash_ends_sessions_and_statements(scratch, own_binary):
    """Killed, a server tells nobody: its sessions end all the same, and how its statements ended is not known."""
    server = MariaDBFrom(scratch / "crashed", own_binary)
    server.start()
    try:
        with trail.Recorder(scratch / "crashed-trail", str(own_binary)) as running:
            idle, busy = server.connect(), server.connect()
            sessions = sorted(str(connection.thread_id()) for connection in (idle, busy))
            with idle.cursor() as cursor:
                cursor.execute("select 'idle'")
            with contextlib.suppress(pymysql.err.OperationalError):
                busy._execute_command(3, "select sleep(600)")
            running.trail.wait_for_one("db_query_text = 'select sleep(600)' and status = 'running'")
            pid = server.pid
            os.kill(pid, signal.SIGKILL)
            (stopped,) = running.trail.wait_for("command = 'server_stop'")
            gone = running.trail.rows("kind = 'disconnect' and server_pid = ? and error_message is not null", pid)
            (sleeping,) = running.trail.rows("db_query_text = 'select sleep(600)'")
            for connection in (idle, busy):
                connection._force_close()
            assert running.stop() == 0, running.stderr()
    finally:
        server.stop()
    assert sorted(row.session_id for row in gone) == sessions
    for row in gone:
        assert (row.db_user, row.status, row.error_message) == ("bob", "error", "the server's process ended")
        assert row.duration_us > 0 and row.seq < stopped.seq
    assert sleeping.status == "unknown"


@contextlib.contextmanager
def overlay(lower: pathlib.Path, folder: pathlib.Path):
    """`lower` below an upper layer of its own, as a container has its image."""
    places = {name: folder / name for name in ("upper", "work", "merged")}
    tmpfs = ["mount", "-t", "tmpfs", "tmpfs", folder]
    folder.mkdir()
    subprocess.run(tmpfs, check=True)
    try:
        for place in places.values():
            place.mkdir()
        options = f"lowerdir={lower},upperdir={places['upper']},workdir={places['work']}"
        subprocess.run(["mount", "-t", "overlay", "overlay", "-o", options, places["merged"]], check=True)
        try:
            yield places["merged"]
        finally:
            subprocess.run(["umount", "-l", places["merged"]], check=True)
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


def test_one_file_through_two_overlays_is_attached_once(scratch, own_binary):
    image = own_binary.parent
    with overlay(image, scratch / "layer-1") as one, overlay(image, scratch / "layer-2") as two:
        binaries = [one / "mariadbd", two / "mariadbd"]
        assert len({os.stat(path).st_dev for path in binaries}) == 2
        first, second = (MariaDBFrom(scratch / f"overlay-{n}", path) for n, path in enumerate(binaries))
        with first, second, trail.Recorder(scratch / "overlay-trail", *map(str, (first.pid, second.pid))) as running:
            for server in (first, second):
                run_once(running.trail, server, f"select 'on {server.port}'")
            (attached,) = running.trail.rows("kind = 'lifecycle' and command = 'attach'")
            assert f"pid {first.pid}" in attached.error_message and f"pid {second.pid}" in attached.error_message


def test_a_copy_in_an_upper_layer_is_another_file(scratch, own_binary):
    """It keeps the number of the inode that it is a copy of."""
    image = own_binary.parent
    with overlay(image, scratch / "copied-1") as one, overlay(image, scratch / "copied-2") as two:
        os.chmod(two / "mariadbd", 0o755)
        os.utime(two / "mariadbd", ns=(os.stat(own_binary).st_atime_ns, os.stat(own_binary).st_mtime_ns))
        first = MariaDBFrom(scratch / "copied-a", one / "mariadbd")
        second = MariaDBFrom(scratch / "copied-b", two / "mariadbd")
        with first, second, trail.Recorder(scratch / "copied-trail", *map(str, (first.pid, second.pid))) as running:
            for server in (first, second):
                run_once(running.trail, server, f"select 'on {server.port}'")
            assert len(running.trail.rows("kind = 'lifecycle' and command = 'attach'")) == 2


def test_a_file_that_is_written_to_is_let_go(scratch, own_binary):
    """Functions of other contents are in other places."""
    server = MariaDBFrom(scratch / "written", own_binary)
    with server, trail.Recorder(scratch / "written-trail", str(own_binary)) as running:
        server.stop()
        with own_binary.open("ab") as file:
            file.write(b"\0")
        (detached,) = lifecycle(running.trail, "detach", str(own_binary))
        assert detached.endswith("its file was written to")
        server.start()
        lifecycle(running.trail, "attach", f"pid {server.pid}")
        run_once(running.trail, server, "select 'of the new contents'")
