"""Settings: filters, masked literals, and a configuration that is read again while statements run."""

import json
import pathlib
import signal
import subprocess

import conftest
import trail
from servers import wait_until


def written(folder: pathlib.Path, text: str) -> pathlib.Path:
    path = folder / "sqltrail.toml"
    path.write_text(text)
    return path


def lifecycle(reader: trail.Trail, what: str) -> list[trail.Row]:
    return reader.rows("kind = 'lifecycle' and command = ?", what)


def read(reader: trail.Trail, times: int):
    """Whether the configuration was read again so often."""
    return lambda: len(lifecycle(reader, "config")) >= times


def test_filters(scratch, pg):
    config = written(scratch, """
        [[filter]]
        action = "exclude"
        application_name = "monitor"
        [[filter]]
        action = "exclude"
        text = "^select 'heartbeat'"
        [[filter]]
        action = "exclude"
        object = "public.noise*"
    """)  # fmt: skip
    with trail.Recorder(scratch / "filtered", "--config", config, str(pg.pid)) as running:
        with pg.connect(application_name="monitor") as monitor:
            pid = monitor.info.backend_pid
            monitor.execute("select 'watched by nobody'")
            monitor.execute("set role alice")
        with pg.connect() as connection:
            session = conftest.PgSession(running.trail, connection)
            for text in ("create table if not exists noise_1 (a int)", "select 'heartbeat'", "select * from noise_1",
                         "select 'kept'; select 'heartbeat'; select 'kept too'"):  # fmt: skip
                assert session.run(text) is None
            rows = session.rows()
        assert running.stop() == 0, running.stderr()
    assert [row.db_query_text for row in rows] == [
        "create table if not exists noise_1 (a int)", "select 'kept'; ", "select 'kept too'",
    ]  # fmt: skip
    assert rows[1].message_seq == rows[1].seq == rows[2].message_seq
    # What a session is, and whom it acts as, stays.
    told = running.trail.rows("server_pid = ?", pid)
    assert [(row.kind, row.db_query_text) for row in told] == [
        ("connect", None), ("query", "set role alice"), ("disconnect", None),
    ]  # fmt: skip
    counts = {row.error_message: row.repeat_count for row in lifecycle(running.trail, "filtered")}
    assert counts["filter 1"] >= 1
    assert (counts["filter 2"], counts["filter 3"]) == (2, 1)
    numbers = [row.seq for row in running.trail.rows()]
    assert numbers == list(range(1, len(numbers) + 1))


def test_only_what_is_included(scratch, pg):
    config = written(scratch, '[[filter]]\naction = "include"\nclass = ["WRITE", "DDL"]\n')
    with trail.Recorder(scratch / "included", "--config", config, str(pg.pid)) as running, pg.connect() as connection:
        connection.execute("create temp table chosen (a int)")
        connection.execute("select * from chosen")
        connection.execute("insert into chosen values (1)")
        running.trail.wait_for_one("db_query_text like 'insert into chosen%'")
        rows = running.trail.rows("server_pid = ? and kind = 'query'", connection.info.backend_pid)
    assert [row.db_operation_name for row in rows] == ["CREATE TABLE", "INSERT"]


def test_masked_literals(scratch, pg, my):
    arguments = ("--literals", "mask", str(pg.pid), str(my.pid))
    with trail.Recorder(scratch / "masked", *arguments) as running:
        with pg.connect() as one, my.connect() as other, other.cursor() as cursor:
            one.execute("select 'zqhidden1', %s::text", ("zqhidden2",))
            one.execute("select 1 -- zqhidden3")
            assert one.pgconn.exec_(b"select 'zqhidden4'::int").error_message
            cursor.execute("select 'zqhidden5', \"zqhidden6\"")
            cursor.execute("select 'over'")
            running.trail.wait_for("db_system_name = 'mariadb' and db_query_text = 'select ?'")
            running.trail.wait_for("db_system_name = 'postgresql' and status = 'error'")
        assert running.stop() == 0, running.stderr()
    for path in running.folder.rglob("*"):
        assert not path.is_file() or b"zqhidden" not in path.read_bytes(), path
    (row,) = running.trail.rows("db_query_text like 'select ?, $1%'")
    assert (row.parameters, row.query_bytes) == (None, len("select 'zqhidden1', $1::text"))


def test_a_configuration_read_again(scratch, pg):
    """Under load: every statement is on record once, and what changed holds from then on."""
    config = written(scratch, "")
    with trail.Recorder(scratch / "reloaded", "--config", config, str(pg.pid)) as running, pg.connect() as connection:
        pid = connection.info.backend_pid
        for turn, text in enumerate(("[record]\nobjects = false\n", "[record]\nparameters = false\n", "")):
            for number in range(100):
                connection.execute(f"select 'turn {turn} {number}'")
                if number == 50:
                    config.write_text(text)
                    running.process.send_signal(signal.SIGHUP)
            wait_until("the configuration is read", 60, read(running.trail, turn + 1))
        config.write_text("[record]\nobject = true\n")
        running.process.send_signal(signal.SIGHUP)
        (rejected,) = running.trail.wait_for("command = 'config_rejected'")
        connection.execute("select 'over'")
        running.trail.wait_for_one("db_query_text = ?", "select 'over'")
        texts = [row.db_query_text for row in running.trail.rows("server_pid = ? and kind = 'query'", pid)]
    assert texts == [f"select 'turn {turn} {number}'" for turn in range(3) for number in range(100)] + ["select 'over'"]
    assert str(config) in rejected.error_message and "object" in rejected.error_message
    first, second, third = lifecycle(running.trail, "config")
    assert "record.objects true -> false" in first.error_message
    assert "record.parameters true -> false" in second.error_message
    (start,) = lifecycle(running.trail, "start")
    hashes = [row.error_message.split(": ")[0].split(" -> ") for row in (first, second, third)]
    assert start.error_message.endswith(hashes[0][0])
    assert hashes[0][1] == hashes[1][0] and hashes[2][1] == hashes[0][0]
    assert not running.trail.rows("kind = 'loss'")


def test_a_process_id_means_that_server_alone(scratch, pg):
    """Another server of the same binary is not recorded."""
    with conftest.PostgresUnderTest(scratch / "other-pg") as other:
        with trail.Recorder(scratch / "one-of-two", str(other.pid)) as running:
            with pg.connect() as not_meant, other.connect(user="postgres", dbname="postgres") as meant:
                not_meant.execute("select 'not meant'")
                meant.execute("select 'meant'")
                running.trail.wait_for_one("db_query_text = ?", "select 'meant'")
                assert not running.trail.rows("server_pid = ?", not_meant.info.backend_pid)


def test_config_check(scratch):
    config = written(scratch, "[record]\nmax_query_bytes = '1MiB'\n")
    assert 'max_query_bytes = "1MiB"' in trail.sqltrail("config", "check", config)
    for text, named in (("[record]\nobject = 1\n", "object"), ('[[filter]]\naction = "exclude"\ntext = "("\n', "text"),
                        ("[record]\nring_bytes = 5\n", "ring_bytes")):  # fmt: skip
        config.write_text(text)
        done = subprocess.run([trail.binary(), "config", "check", config], capture_output=True, check=False, text=True)
        assert done.returncode == 1
        assert str(config) in done.stderr and named in done.stderr, json.dumps(done.stderr)
