"""The recorder as a whole: prompt, drained at the end, the same in Parquet as in SQLite."""

import concurrent.futures
import json
import signal
import subprocess
import time

import duckdb
import pytest

import conftest
import trail

# What a reader is promised; batches close after 500 ms by default.
PROMPT_S = 1.0
BURST = 500
# Several times what a ring of 1 MiB holds.
OVERRUN = 4_000


def test_rows_are_visible_within_a_second(recorder, pg_session, my_session):
    for attempt in range(5):
        for session in (pg_session, my_session):
            text = f"select 'prompt {attempt} {id(session)}'"
            assert session.run(text) is None
            ended = time.monotonic()
            recorder.trail.wait_for_one("db_query_text = ?", text)
            assert time.monotonic() - ended < PROMPT_S


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_a_stop_drains(how, scratch, pg, my):
    with trail.Recorder(scratch / f"drained-{how.name}", str(pg.pid), str(my.pid)) as running:
        with pg.connect() as one, my.connect() as other, other.cursor() as cursor:
            pid, connection_id = one.info.backend_pid, str(other.thread_id())
            for number in range(BURST):
                one.execute(f"select {number}")
                cursor.execute(f"select {number}")
            assert running.stop(how) == 0, running.stderr()
    expected = [f"select {number}" for number in range(BURST)]
    for which, *values in (("server_pid = ?", pid), ("server_pid = ? and session_id = ?", my.pid, connection_id)):
        rows = running.trail.rows(f"{which} and kind = 'query' and db_query_text like 'select %'", *values)
        assert [row.db_query_text for row in rows] == expected
    rows = running.trail.rows()
    assert [row.seq for row in rows] == list(range(1, len(rows) + 1))
    lifecycle = [row.command for row in rows if row.kind == "lifecycle"]
    assert lifecycle[0] == "start"
    assert lifecycle[-1] == "stop"
    assert not [row for row in rows if row.kind == "loss"]


def test_statements_of_a_recorder_that_came_back_follow_on(scratch, pg):
    texts = []
    for turn in (1, 2):
        with trail.Recorder(scratch / "again", str(pg.pid)) as running, pg.connect() as connection:
            texts.append(f"select 'turn {turn}'")
            connection.execute(texts[-1])
    rows = running.trail.rows()
    assert [row.seq for row in rows] == list(range(1, len(rows) + 1))
    assert [row.db_query_text for row in rows if row.db_query_text in texts] == texts


@pytest.fixture(scope="module")
def archived(scratch, pg, my):
    """A trail with statements of all kinds, sealed and compacted."""
    texts = [
        "create temporary table kinds (a int, b text)", "insert into kinds values (1, 'é😀'), (2, 'it''s')",
        "select * from kinds", "select nope", "select 1; select 2", "", "select '100 %s'",
        "select '" + "x" * 100_000 + "'",
    ]  # fmt: skip
    with trail.Recorder(scratch / "archived") as running:
        with pg.connect() as one, my.connect(charset="latin1") as other:
            sessions = [conftest.PgSession(running.trail, one), conftest.MySession(running.trail, my, other)]
            for session in sessions:
                for text in texts:
                    session.run(text.encode())
            assert sessions[1].run(b"select hex('\xe9\0')") is None
    rows = running.trail.rows()
    assert [row for row in rows if row.db_query_raw == b"select hex('\xe9\0')"]
    trail.sqltrail("compact", "--dir", running.folder, "--seal")
    return running.trail, rows


def test_parquet_equals_sqlite(archived):
    reader, rows = archived
    files = f"{reader.folder}/archive/**/*.parquet"
    with duckdb.connect() as connection:
        read = connection.execute(
            "select * replace (epoch_us(time) as time, cast(truncated as int) as truncated) "
            f"from read_parquet('{files}', hive_partitioning = false) where seq <= ? order by seq",
            [rows[-1].seq],
        )
        names = [column[0] for column in read.description]
        archive = [dict(zip(names, values, strict=True)) for values in read.fetchall()]
        kinds = dict(connection.execute(f"select column_name, column_type from (describe from '{files}')").fetchall())
    expected = [{k: v for k, v in row.columns.items() if k != "time_text"} for row in rows]
    assert archive == expected
    assert kinds["time"] == "TIMESTAMP WITH TIME ZONE"
    assert not {kind for kind in kinds.values() if kind.startswith("U")}


def test_compacting_again_changes_nothing(archived):
    reader, _ = archived
    files = sorted((reader.folder / "archive").rglob("*"))
    before = {path: path.read_bytes() for path in files if path.is_file()}
    trail.sqltrail("compact", "--dir", reader.folder)
    assert {path: path.read_bytes() for path in before} == before
    others = {path.name for path in files if path.is_file() and path.suffix != ".parquet"}
    assert others <= {".lock"}


def test_parquet_files_lie_by_date(archived):
    reader, rows = archived
    dates = {f"date={row.time_text[:10]}" for row in rows}
    assert {path.parent.name for path in (reader.folder / "archive").rglob("*.parquet")} <= dates


def refused(*arguments: object) -> str:
    """What `record` says when it will not start."""
    done = subprocess.run(
        [trail.binary(), "record", *arguments], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode not in (0, 101)
    assert done.stdout == ""
    lines = done.stderr.splitlines()
    assert ["hint: " in line for line in lines] == [False] * (len(lines) - 1) + [True], done.stderr
    return done.stderr


def test_two_recorders_do_not_share_a_directory(recorder):
    assert str(recorder.folder) in refused("--dir", recorder.folder)


def test_refusals_name_their_object(scratch, pg, my):
    (scratch / "a-file").write_text("")
    assert f"{scratch}/a-file" in refused("--dir", scratch / "a-file")
    assert "no-such-server" in refused("--dir", scratch / "refused", "no-such-server")


def test_only_the_named_server_is_recorded(scratch, pg, my):
    with trail.Recorder(scratch / "chosen", "mariadb") as running, pg.connect() as one, my.connect() as other:
        one.execute("select 'not recorded'")
        session = conftest.MySession(running.trail, my, other)
        session.run("select 'recorded'")
        assert [row.db_query_text for row in session.rows()] == ["select 'recorded'"]
    assert {row.db_system_name for row in running.trail.rows("kind = 'query'")} == {"mariadb"}


def test_servers_names_both(pg, my):
    listed = [json.loads(line) for line in trail.sqltrail("servers", "--format", "json").splitlines()]
    # Servers of one binary share a line.
    pids = {int(pid) for binary in listed for pid in binary["pid"].split()}
    assert {pg.process.pid, my.pid} <= pids


def test_a_server_that_starts_later_is_found(scratch, pg):
    """Its binary is one that is watched already, so nothing of it is missed."""
    with (
        trail.Recorder(scratch / "early", str(pg.bin / "postgres")) as running,
        conftest.PostgresUnderTest(scratch / "late-pg") as late,
    ):
        with late.connect(user="postgres", dbname="postgres") as connection:
            session = conftest.PgSession(running.trail, connection)
            session.run("select 'from the late server'")
            assert [row.db_query_text for row in session.rows()] == ["select 'from the late server'"]


def test_sessions_do_not_mix(recorder, pg, my):
    """Statements that start and end across each other keep their own outcome."""

    def client(number: int) -> int:
        with pg.connect(application_name=f"mixed {number}") as connection:
            for round_ in range(100):
                connection.execute(f"select generate_series(1, {number}), 'mixed {number} {round_}'")
            connection.execute(f"select 'mixed fence {number}'")
        return number

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        numbers = list(pool.map(client, range(1, 9)))
    for number in numbers:
        recorder.trail.wait_for_one("db_query_text = ?", f"select 'mixed fence {number}'")
        own = "application_name = ? and kind = 'query' and db_query_text like '%generate_series%'"
        rows = recorder.trail.rows(own, f"mixed {number}")
        assert [row.rows_returned for row in rows] == [number] * 100
        assert [row.db_query_text for row in rows] == [
            f"select generate_series(1, {number}), 'mixed {number} {round_}'" for round_ in range(100)
        ]


def test_what_a_full_ring_lost_is_counted(scratch, pg):
    """Stored and counted as lost are together what ran, while the recorder could not read."""
    with trail.Recorder(scratch / "overrun", "--ring-bytes", "1MiB", str(pg.pid)) as running:
        with pg.connect() as connection:
            pid = connection.info.backend_pid
            running.process.send_signal(signal.SIGSTOP)
            try:
                for number in range(OVERRUN):
                    connection.execute(f"select 'overrun {number} {'x' * 400}'")
            finally:
                running.process.send_signal(signal.SIGCONT)
            running.trail.wait_for("kind = 'loss'")
            connection.execute("select 'overrun is over'")
            running.trail.wait_for_one("db_query_text = ?", "select 'overrun is over'")
        assert running.stop() == 0, running.stderr()
    stored = running.trail.rows("server_pid = ? and db_query_text like 'select ''overrun _% x%'", pid)
    lost = {row.command: row.repeat_count for row in running.trail.rows("kind = 'loss'")}
    assert 0 < len(stored) < OVERRUN
    assert len(stored) + lost["ring_full"] == OVERRUN
    assert [row for row in stored if row.status not in ("ok", "unknown")] == []
    assert sum(row.status == "unknown" for row in stored) == lost.get("ring_full_end", 0)
