"""What real drivers send: prepared and pipelined statements, COPY, cursors, procedures."""

import asyncio
import json

import asyncpg
import mysql.connector
import pytest

import logs
import trail
from conftest import PASSWORD, MariaDBUnderTest


def shown(rows) -> list[tuple[str, str, str]]:
    return [(row.command, row.db_query_text, row.status) for row in rows]


def test_psycopg_prepared(pg_session):
    for number in range(3):
        pg_session.connection.execute("select %s::int + 1", (number,), prepare=True)
    assert shown(pg_session.rows()) == [("execute", "select $1::int + 1", "ok")] * 3


def test_psycopg_pipeline(pg_session):
    connection = pg_session.connection
    pg_session.run("create temp table piped (a int)")
    with connection.pipeline():
        for number in range(5):
            connection.execute("insert into piped values (%s)", (number,))
        counted = connection.execute("select count(*) from piped where a >= %s", (0,))
    assert counted.fetchone() == (5,)
    rows = pg_session.rows()[1:]
    rows = [row for row in rows if row.db_operation_name in ("INSERT", "SELECT")]
    assert shown(rows) == [("execute", "insert into piped values ($1)", "ok")] * 5 + [
        ("execute", "select count(*) from piped where a >= $1", "ok")
    ]
    assert [row.rows_affected for row in rows[:5]] == [1] * 5


def test_psycopg_pipeline_that_fails_in_the_middle(pg_session):
    connection = pg_session.connection
    with pytest.raises(Exception, match="division by zero"), connection.pipeline():
        connection.execute("select %s::int", (1,))
        connection.execute("select 1 / %s::int", (0,))
        connection.execute("select 'after', %s::int", (2,))
    rows = [row for row in pg_session.rows() if row.db_operation_name == "SELECT"]
    assert [(row.db_query_text, row.status, row.status_code) for row in rows] == [
        ("select $1::int", "ok", None),
        ("select 1 / $1::int", "error", "22012"),
    ]


def test_extended_protocol_failures(pg_session):
    connection = pg_session.connection
    failing = ["select nope where %s = 1", "selec %s", "select %s::int / 0"]
    for text in failing:
        with pytest.raises(Exception, match="nope|selec|zero"):
            connection.execute(text, (1,))
    rows = pg_session.rows()
    assert [row.db_query_text for row in rows] == [text.replace("%s", "$1") for text in failing]
    assert [row.status_code for row in rows] == ["42703", "42601", "22012"]


def test_asyncpg(recorder, pg):
    async def client() -> int:
        connection = await asyncpg.connect(host=str(pg.socket_dir), port=pg.port, user="alice", database="shop")
        assert await connection.fetchval("select $1::int * 2", 4) == 8
        prepared = await connection.prepare("select generate_series(1, $1)")
        assert len(await prepared.fetch(3)) == 3
        assert len(await prepared.fetch(4)) == 4
        async with connection.transaction():
            cursor = await connection.cursor("select generate_series(1, 10)")
            assert len(await cursor.fetch(3)) == 3
            assert len(await cursor.fetch(3)) == 3
        await connection.execute("select 1; select 2")
        await connection.execute("select 'asyncpg fence'")
        pid = connection.get_server_pid()
        await connection.close()
        return pid

    pid = asyncio.run(client())
    which = "db_system_name = 'postgresql' and server_pid = ?"
    fence = recorder.trail.wait_for_one(f"{which} and db_query_text = ?", pid, "select 'asyncpg fence'")
    rows = recorder.trail.rows(f"{which} and kind = 'query' and seq < ?", pid, fence.seq)
    assert [(row.command, row.text.strip(b"; ").decode()) for row in rows] == [
        ("execute", "select $1::int * 2"),
        ("execute", "select generate_series(1, $1)"),
        ("execute", "select generate_series(1, $1)"),
        ("simple", "BEGIN"),
        ("execute", "select generate_series(1, 10)"),
        ("execute", "select generate_series(1, 10)"),
        ("simple", "COMMIT"),
        ("simple", "select 1"),
        ("simple", "select 2"),
    ]
    assert [row.rows_returned for row in rows[:3]] == [1, 3, 4]


def test_copy(pg_session):
    pg_session.run("create temp table copied (a int, b text)")
    with pg_session.connection.cursor() as cursor:
        with cursor.copy("copy copied from stdin") as copy:
            copy.write_row((1, "x"))
            copy.write_row((2, "y"))
        with cursor.copy("copy copied to stdout") as copy:
            assert len(list(copy)) == 2
        with pytest.raises(Exception, match="invalid input"), cursor.copy("copy copied from stdin") as copy:
            copy.write_row(("not a number", "x"))
    _, into, out, failed = pg_session.rows()
    assert [row.db_query_text for row in (into, out, failed)] == [
        "copy copied from stdin", "copy copied to stdout", "copy copied from stdin",
    ]  # fmt: skip
    assert (into.rows_affected, out.rows_returned) == (2, 2)
    assert (failed.status, failed.status_code) == ("error", "22P02")


def test_cursor(pg_session):
    connection = pg_session.connection
    with connection.transaction(), connection.cursor("named") as cursor:
        cursor.itersize = 2
        cursor.execute("select generate_series(1, %s)", (3,))
        assert len(list(cursor)) == 3
    rows = pg_session.rows()
    assert [row.db_query_text for row in rows] == [
        "BEGIN",
        'DECLARE "named" CURSOR FOR select generate_series(1, $1)',
        'FETCH FORWARD 2 FROM "named"',
        'FETCH FORWARD 2 FROM "named"',
        'CLOSE "named"',
        "COMMIT",
    ]
    assert [row.rows_returned for row in rows if row.db_operation_name == "FETCH"] == [2, 1]


def test_postgres_procedure_is_one_row(pg_session):
    pg_session.run("create table if not exists called (a int)")
    pg_session.run(
        "create or replace procedure fill(n int) language plpgsql as "
        "$$ begin for i in 1..n loop insert into called values (i); end loop; end $$"
    )
    pg_session.rows()
    assert pg_session.run("call fill(5)") is None
    assert pg_session.run("do $$ begin perform count(*) from called; raise notice 'counted'; end $$") is None
    assert [row.db_query_text for row in pg_session.rows() if row.parent_seq is None] == [
        "call fill(5)",
        "do $$ begin perform count(*) from called; raise notice 'counted'; end $$",
    ]


def test_mariadb_procedure_is_one_row(my_session):
    my_session.run("create table if not exists called (a int)")
    my_session.run("create or replace procedure fill() begin select 1; insert into called values (1); select 2; end")
    my_session.rows()
    assert my_session.run("call fill()") is None
    (row,) = [row for row in my_session.rows() if row.parent_seq is None]
    assert (row.command, row.db_query_text, row.status) == ("COM_QUERY", "call fill()", "ok")


def test_sql_level_prepare(pg_session, my_session):
    for session, texts in (
        (pg_session, ["prepare twice as select $1::int * 2", "execute twice(4)", "deallocate twice"]),
        (my_session, ["prepare twice from 'select ? * 2'", "execute twice using 4", "deallocate prepare twice"]),
    ):  # fmt: skip
        for text in texts:
            assert session.run(text) is None
        assert [row.db_query_text for row in session.rows() if row.parent_seq is None] == texts


BOUND = [(1, "one"), (2, "two's"), (3, None)]


@pytest.fixture(scope="module")
def quiet(scratch):
    """A MariaDB without any log: one that keeps a general or binary log puts the values into the text itself."""
    with MariaDBUnderTest(scratch / "quiet") as server:
        server.make_accounts()
        yield server


def binary_rows(recorder, server) -> list[trail.Row]:
    """The trail of a session that prepares and executes by the binary protocol."""
    connection = mysql.connector.connect(
        unix_socket=str(server.socket), user="bob", password=PASSWORD, database="shop", autocommit=True
    )
    which, values = "server_pid = ? and session_id = ?", (server.pid, str(connection.connection_id))
    with connection, connection.cursor(prepared=True) as cursor:
        cursor.execute("create or replace table bound (a int, b text)")
        for pair in BOUND:
            cursor.execute("insert into bound values (?, ?)", pair)
        cursor.execute("select a from bound where a < ? and b <> ?", (9, "zz"))
        assert len(cursor.fetchall()) == 2
        with pytest.raises(mysql.connector.Error):
            cursor.execute("select nope from bound where a = ?", (1,))
        with connection.cursor() as plain:
            plain.execute("select 'binary fence'")
            plain.fetchall()
    fence = recorder.trail.wait_for_one(f"{which} and db_query_text = ?", *values, "select 'binary fence'")
    own = f"{which} and kind = 'query' and seq < ? and db_query_text like '%bound%'"
    return recorder.trail.rows(own, *values, fence.seq)


EXECUTED = [
    ("COM_STMT_EXECUTE", "create or replace table bound (a int, b text)", None, []),
    ("COM_STMT_EXECUTE", "insert into bound values (?, ?)", None, [1, "one"]),
    ("COM_STMT_EXECUTE", "insert into bound values (?, ?)", None, [2, "two's"]),
    ("COM_STMT_EXECUTE", "insert into bound values (?, ?)", None, [3, None]),
    ("COM_STMT_EXECUTE", "select a from bound where a < ? and b <> ?", None, [9, "zz"]),
    ("COM_STMT_PREPARE", "select nope from bound where a = ?", "1054", None),
]


def executed(row) -> tuple:
    return row.command, row.db_query_text, row.status_code, row.parameters and json.loads(row.parameters)


def test_mariadb_binary_protocol(scratch, quiet):
    with trail.Recorder(scratch / "binary", str(quiet.pid)) as recorder:
        rows = binary_rows(recorder, quiet)
    assert [executed(row) for row in rows] == EXECUTED
    assert [row.rows_affected for row in rows[1:4]] == [1, 1, 1]
    assert rows[4].rows_returned == 2


def test_mariadb_binary_protocol_when_the_server_keeps_a_log(recorder, my):
    """The server then puts the values into the text; the row has what the client sent."""
    rows = binary_rows(recorder, my)
    assert [executed(row) for row in rows] == EXECUTED
    logged = logs.mariadb_sessions(my.general_log)[rows[0].session_id]
    assert len([message for message in logged if message.command == "Execute"]) == len(EXECUTED) - 1


def test_statement_prepared_before_the_recorder_came(scratch, pg, quiet):
    """The text is whole at each execution, whenever the statement was prepared."""
    with pg.connect() as one:
        one.execute("select %s::int + 41", (1,), prepare=True)
        prepared = mysql.connector.connect(
            unix_socket=str(quiet.socket), user="bob", password=PASSWORD, database="shop", autocommit=True
        )
        with prepared, prepared.cursor(prepared=True) as cursor:
            cursor.execute("select ? + 41", (1,))
            cursor.fetchall()
            with trail.Recorder(scratch / "late", str(pg.pid), str(quiet.pid)) as late:
                one.execute("select %s::int + 41", (2,), prepare=True)
                row = late.trail.wait_for_one("server_pid = ? and command = 'execute'", one.info.backend_pid)
                assert (row.db_query_text, row.db_user) == ("select $1::int + 41", "alice")
                cursor.execute("select ? + 41", (2,))
                cursor.fetchall()
                row = late.trail.wait_for_one(
                    "server_pid = ? and session_id = ? and command = 'COM_STMT_EXECUTE'",
                    quiet.pid, str(prepared.connection_id),
                )  # fmt: skip
                assert (row.db_query_text, row.db_user) == ("select ? + 41", "bob")
