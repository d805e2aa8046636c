"""Sessions are rows at both ends, however they end; a refused login is none."""

import psycopg
import pytest


def test_postgres_sessions(recorder, pg):
    with pg.connect(tcp=True, application_name="comes and goes") as connection:
        pid = connection.info.backend_pid
        connection.execute("select 1")
    gone = recorder.trail.wait_for_one("kind = 'disconnect' and server_pid = ?", pid)
    came = recorder.trail.wait_for_one("kind = 'connect' and server_pid = ?", pid)
    for row in (came, gone):
        assert (row.db_user, row.db_namespace, row.client_address) == ("alice", "shop", "127.0.0.1")
        assert (row.application_name, row.status, row.text) == ("comes and goes", "ok", None)
    assert came.session_id == gone.session_id
    between = recorder.trail.rows("server_pid = ? and seq between ? and ?", pid, came.seq, gone.seq)
    assert {row.kind for row in between[1:-1]} == {"query"}
    assert abs(gone.duration_us - (gone.time - came.time)) <= 1


def test_mariadb_sessions(recorder, my):
    with my.connect(tcp=True) as connection, connection.cursor() as cursor:
        which, values = "server_pid = ? and session_id = ?", (my.pid, str(connection.thread_id()))
        cursor.execute("select 1")
    gone = recorder.trail.wait_for_one(f"kind = 'disconnect' and {which}", *values)
    came = recorder.trail.wait_for_one(f"kind = 'connect' and {which}", *values)
    for row in (came, gone):
        assert (row.db_user, row.db_namespace, row.client_address) == ("bob", "shop", "127.0.0.1")
    assert came.seq < gone.seq
    assert abs(gone.duration_us - (gone.time - came.time)) <= 1


def test_a_terminated_session_ends(recorder, pg):
    with pg.connect() as victim, pg.connect(user="postgres") as admin:
        pid = victim.info.backend_pid
        victim.execute("select 1")
        admin.execute("select pg_terminate_backend(%s)", (pid,))
        recorder.trail.wait_for_one("kind = 'disconnect' and server_pid = ?", pid)
        with pytest.raises(psycopg.OperationalError):
            victim.execute("select 2")
    reason = recorder.trail.wait_for_one("status_code = '57P01' and server_pid = ?", pid)
    assert (reason.kind, reason.status) == ("query", "error")


def test_a_refused_login_is_no_session(recorder, pg):
    with pytest.raises(psycopg.OperationalError):
        pg.connect(tcp=True, password="wrong", application_name="intruder")
    refused = recorder.trail.wait_for("kind = 'auth_failure' and db_system_name = 'postgresql'")[-1]
    with pg.connect() as fence:
        fence.execute("select 'session fence'")
    recorder.trail.wait_for("db_query_text = ?", "select 'session fence'")
    rows = recorder.trail.rows("server_pid = ? and session_id = ?", refused.server_pid, refused.session_id)
    assert [row.kind for row in rows] == ["auth_failure"]
