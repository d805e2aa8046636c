"""Who, from where, how long, how many rows, with what outcome: as the client knows it."""

import os
import socket
import time

import psycopg
import pymysql
import pytest

from conftest import MySession, PgSession


def local_port(handle: int) -> int:
    with socket.socket(fileno=os.dup(handle)) as same:
        return same.getsockname()[1]


def check_session(row, expected: dict[str, object]) -> None:
    assert {name: row.columns[name] for name in expected} == expected


def test_postgres_session(recorder, pg):
    for tcp in (True, False):
        with pg.connect(tcp=tcp, application_name="e2e facts") as connection:
            session = PgSession(recorder.trail, connection)
            session.run("select 1")
            (row,) = session.rows()
            version = connection.execute("show server_version").fetchone()[0]
            log_id = connection.execute(
                "select to_hex(trunc(extract(epoch from backend_start))::int) || '.' || to_hex(pid) "
                "from pg_stat_activity where pid = pg_backend_pid()"
            ).fetchone()[0]
            check_session(row, {
                "kind": "query", "db_system_name": "postgresql", "server_version": version.split()[0],
                "host_name": socket.gethostname(), "server_pid": connection.info.backend_pid,
                "session_id": log_id, "db_user": "alice", "db_namespace": "shop",
                "client_address": "127.0.0.1" if tcp else "local",
                "client_port": local_port(connection.fileno()) if tcp else None,
                "application_name": "e2e facts", "command": "simple",
            })  # fmt: skip


def test_mariadb_session(recorder, my):
    for tcp in (True, False):
        with my.connect(tcp=tcp) as connection:
            session = MySession(recorder.trail, my, connection)
            session.run("select 1")
            (row,) = session.rows()
            with connection.cursor() as cursor:
                cursor.execute("select substring_index(version(), '-', 2)")
                (version,) = cursor.fetchone()
            assert session.rows()
            check_session(row, {
                "kind": "query", "db_system_name": "mariadb", "server_version": version,
                "host_name": socket.gethostname(), "server_pid": my.pid,
                "session_id": str(connection.thread_id()), "db_user": "bob", "db_namespace": "shop",
                "client_address": "127.0.0.1" if tcp else "local",
                "client_port": connection._sock.getsockname()[1] if tcp else None,
                "command": "COM_QUERY",
            })  # fmt: skip


def test_identity_follows_the_session(recorder, pg, my):
    with pg.connect() as connection:
        session = PgSession(recorder.trail, connection)
        session.run("set application_name = 'renamed'")
        session.run("select 1")
        session.run("begin; set local application_name = 'for now'")
        session.run("select 2")
        session.run("rollback")
        session.run("select 3")
        session.run("reset application_name")
        session.run("select 4")
        names = {row.text: row.application_name for row in session.rows()}
        assert [names[b"select %d" % number] for number in range(1, 5)] == ["renamed", "for now", "renamed", None]
    with my.connect(user="root", password="") as connection:
        session = MySession(recorder.trail, my, connection)
        session.run("use mysql")
        session.run("select 1")
        connection.select_db("shop")
        session.run("select 2")
        use, one, init, two = session.rows()
        assert one.db_namespace == "mysql"
        assert (init.command, init.text) == ("COM_INIT_DB", b"shop")
        assert two.db_namespace == "shop"


@pytest.mark.parametrize("engine", ["pg", "my"])
def test_row_counts(engine, request):
    session = request.getfixturevalue(f"{engine}_session")
    cases = [
        ("create temporary table counted (a int primary key)", "DDL", "CREATE TABLE", (0, 0)),
        ("insert into counted values (1), (2), (3), (4)", "WRITE", "INSERT", (0, 4)),
        ("select * from counted where a > 1", "READ", "SELECT", (3, 0)),
        ("update counted set a = a + 10 where a > 2", "WRITE", "UPDATE", (0, 2)),
        ("delete from counted where a = 1", "WRITE", "DELETE", (0, 1)),
        ("select * from counted where a = 0", "READ", "SELECT", (0, 0)),
    ]
    for text, *_ in cases:
        assert session.run(text) is None
    rows = session.rows()
    told = [
        (r.db_query_text, r.columns["class"], r.db_operation_name, (r.rows_returned or 0, r.rows_affected or 0))
        for r in rows
    ]
    assert told == [tuple(case) for case in cases]
    assert {row.status for row in rows} == {"ok"}
    assert all(row.message_seq == row.seq and row.repeat_count == 1 for row in rows)


@pytest.mark.parametrize("text, sqlstate", [
    ("select 1/0", "22012"),
    ("select * from absent", "42P01"),
    ("select nope", "42703"),
    ("insert into keyed values (1)", "23505"),
    ("select 'x'::int", "22P02"),
    ("do $$ begin raise exception 'own é %', 1 using errcode = 'ZZ001'; end $$", "ZZ001"),
])  # fmt: skip
def test_postgres_errors(text, sqlstate, pg_session):
    pg_session.run("create temp table keyed (a int primary key)")
    pg_session.run("insert into keyed values (1)")
    pg_session.rows()
    error = pg_session.run(text)
    (row,) = pg_session.rows()
    assert (row.text, row.status, row.status_code) == (text.encode(), "error", sqlstate)
    assert row.error_message == error.diag.message_primary


def test_postgres_aborted_transaction(pg_session):
    for text in ("begin", "select 1/0", "select 'in vain'", "rollback"):
        pg_session.run(text)
    assert [(row.db_query_text, row.status_code) for row in pg_session.rows()] == [
        ("begin", None), ("select 1/0", "22012"), ("select 'in vain'", "25P02"), ("rollback", None),
    ]  # fmt: skip


def test_caught_errors_are_no_failures(pg_session, my_session):
    assert pg_session.run("do $$ begin perform 1/0; exception when others then null; end $$") is None
    (row,) = pg_session.rows()
    assert (row.status, row.status_code) == ("ok", None)
    handler = "declare continue handler for sqlexception begin end"
    my_session.run(f"create or replace procedure swallow() begin {handler}; select * from absent; end")
    my_session.rows()
    assert my_session.run("call swallow()") is None
    row = my_session.rows()[-1]
    assert (row.db_query_text, row.status, row.status_code) == ("call swallow()", "ok", None)


def test_notices_and_warnings_are_no_failures(pg_session, my_session):
    assert pg_session.run("do $$ begin raise warning 'careful'; end $$; drop table if exists absent") is None
    assert my_session.run("drop table if exists absent") is None
    rows = [*pg_session.rows(), *my_session.rows()]
    assert [(row.status, row.error_message) for row in rows] == [("ok", None)] * 3


@pytest.mark.parametrize("text, errno", [
    ("select * from absent", 1146),
    ("select nope", 1054),
    ("insert into keyed values (1)", 1062),
    ("signal sqlstate '45000' set message_text = 'own é', mysql_errno = 1644", 1644),
    ("kill query 999999999", 1094),
])  # fmt: skip
def test_mariadb_errors(text, errno, my_session):
    my_session.run("create temporary table keyed (a int primary key)")
    my_session.run("insert into keyed values (1)")
    my_session.rows()
    error = my_session.run(text)
    (row,) = my_session.rows()
    assert (row.text, row.status, row.status_code) == (text.encode(), "error", str(errno))
    assert row.error_message == error.args[1]


def test_durations_and_times(pg_session, my_session):
    for session, text in ((pg_session, "select pg_sleep(0.3)"), (my_session, "select sleep(0.3)")):
        before = time.time_ns() // 1_000
        assert session.run(text) is None
        after = time.time_ns() // 1_000
        (row,) = session.rows()
        # MariaDB's statement ends behind its answer: the client may be the first to read a clock.
        assert 300_000 <= row.duration_us <= after - before + 50_000
        # The clock of the trail is the machine's, read at another moment.
        assert before - 50_000 <= row.time <= after - 300_000 + 50_000
        assert row.time_text.endswith("Z") and "T" in row.time_text


def test_failed_logins(recorder, pg, my):
    mark = recorder.trail.rows("1")[-1].seq
    with pytest.raises(psycopg.OperationalError, match="password"):
        pg.connect(tcp=True, password="wrong")
    with pytest.raises(psycopg.OperationalError):
        pg.connect(tcp=True, user="mallory")
    with pytest.raises(pymysql.err.OperationalError):
        my.connect(tcp=True, password="wrong")
    with pytest.raises(pymysql.err.OperationalError):
        my.connect(tcp=True, user="mallory")
    failures = "seq > ? and kind = 'auth_failure'"
    recorder.trail.wait_for(f"{failures} and db_system_name = 'mariadb' and db_user = 'mallory'", mark)
    rows = recorder.trail.rows(failures, mark)
    assert [(row.db_system_name, row.db_user, row.status, row.status_code) for row in rows] == [
        ("postgresql", "alice", "error", "28P01"), ("postgresql", "mallory", "error", "28P01"),
        ("mariadb", "bob", "error", "1045"), ("mariadb", "mallory", "error", "1045"),
    ]  # fmt: skip
    assert {row.client_address for row in rows} == {"127.0.0.1"}
    assert all("mallory" in row.error_message or row.db_user != "mallory" for row in rows)
