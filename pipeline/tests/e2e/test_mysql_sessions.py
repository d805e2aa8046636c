"""Users, roles and kills on MariaDB, and the statements inside stored programs."""

import json
import struct
import threading

import binary
import mysql.connector
import pymysql
import pytest
from binary import Prepared, Value

import trail
from conftest import PASSWORD, MySession
from servers import wait_until

OTHER = "another horse"
ANSWER_DEADLINE_S = 60


@pytest.fixture(scope="module")
def accounts(my):
    with my.connect(user="root", password="") as admin, admin.cursor() as cursor:
        for text in (
            f"create user carol@localhost identified by '{OTHER}'",
            "grant all on shop.* to carol@localhost",
            "create role reader",
            "grant select on shop.* to reader",
            "grant reader to bob@localhost",
            "grant create routine, alter routine, execute, trigger on shop.* to bob@localhost",
        ):
            cursor.execute(text)
    return my


def connector(server):
    return mysql.connector.connect(
        unix_socket=str(server.socket), user="bob", password=PASSWORD, database="shop", autocommit=True, use_pure=True
    )


def shown(row: trail.Row) -> tuple:
    return row.kind, row.command, row.db_user, row.db_query_text, row.status, row.status_code


def test_change_of_user(recorder, accounts):
    with connector(accounts) as connection:
        which, values = "server_pid = ? and session_id = ?", (accounts.pid, str(connection.connection_id))
        with connection.cursor() as cursor:
            cursor.execute("select 'as bob'")
            cursor.fetchall()
            connection.cmd_change_user("carol", OTHER, "shop")
            cursor.execute("select 'as carol'")
            cursor.fetchall()
        with pytest.raises(mysql.connector.Error):
            connection.cmd_change_user("bob", "wrong", "shop")
    recorder.trail.wait_for(f"{which} and status_code = '1045'", *values)
    rows = recorder.trail.rows(f"{which} and (command = 'COM_CHANGE_USER' or db_query_text like '%''as %')", *values)
    assert [(*shown(row)[1:4], row.status_code) for row in rows] == [
        ("COM_QUERY", "bob", "select 'as bob'", None),
        # By who asked for it.
        ("COM_CHANGE_USER", "bob", None, None),
        ("COM_QUERY", "carol", "select 'as carol'", None),
        ("COM_CHANGE_USER", "carol", None, "1045"),
    ]
    assert rows[-1].error_message == "Access denied for user 'bob'@'localhost' (using password: YES)"


def test_reset_ends_what_was_prepared(recorder, accounts):
    with accounts.connect() as connection:
        session = MySession(recorder.trail, accounts, connection)
        prepared = Prepared(connection, "select ?")
        prepared.execute(Value(binary.TINY, b"\1"))
        connection._execute_command(0x1F, b"")
        connection._read_packet()
        with pytest.raises(pymysql.err.OperationalError):
            prepared.execute(Value(binary.TINY, b"\2"))
        assert [(*shown(row)[1:4], row.status_code) for row in session.rows()] == [
            ("COM_STMT_EXECUTE", "bob", "select ?", None),
            ("COM_RESET_CONNECTION", "bob", None, None),
            # The statement is not known any more, nor is its text.
            ("COM_STMT_EXECUTE", "bob", None, "1243"),
        ]


def test_roles(recorder, accounts):
    with accounts.connect() as connection:
        session = MySession(recorder.trail, accounts, connection)
        for text in ("set role reader", "set role none"):
            assert session.run(text) is None
        assert session.run("set role nobody") is not None
        assert [(row.columns["class"], *shown(row)[2:]) for row in session.rows()] == [
            ("MISC_SET", "bob", "set role reader", "ok", None),
            ("MISC_SET", "bob", "set role none", "ok", None),
            ("MISC_SET", "bob", "set role nobody", "error", "1959"),
        ]


@pytest.mark.parametrize(("what", "code"), [("kill query", "1317"), ("kill", "1927")])
def test_kills(recorder, accounts, what, code):
    text = f"select sleep(50), '{what}'"
    with accounts.connect(user="root", password="") as admin, accounts.connect() as connection:
        session = MySession(recorder.trail, accounts, connection)
        victim = threading.Thread(target=session.run, args=(text,))
        victim.start()

        def runs() -> bool:
            with admin.cursor() as cursor:
                return cursor.execute("select 1 from information_schema.processlist where info = %s", (text,)) == 1

        wait_until(f"{text} runs", ANSWER_DEADLINE_S, runs)
        with admin.cursor() as cursor:
            cursor.execute(f"{what} {connection.thread_id()}")
        victim.join()
        row = recorder.trail.wait_for_one("server_pid = ? and db_query_text = ? and status <> 'running'",
                                          accounts.pid, text)  # fmt: skip
        assert shown(row) == ("query", "COM_QUERY", "bob", text, "error", code)
        if what == "kill":
            recorder.trail.wait_for_one("kind = 'disconnect' and server_pid = ? and session_id = ?",
                                        accounts.pid, row.session_id)  # fmt: skip
        else:
            assert session.run("select 1") is None


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        ({"password": "wrong"}, "1045", "Access denied for user 'bob'@'localhost' (using password: YES)"),
        ({"user": "stranger"}, "1045", "Access denied for user 'stranger'@'localhost' (using password: YES)"),
        ({"database": "mysql"}, "1044", "Access denied for user 'bob'@'localhost' to database 'mysql'"),
    ],
)
def test_refused_logins(recorder, accounts, options, code, message):
    before = recorder.trail.rows("kind = 'auth_failure'")
    with pytest.raises(pymysql.err.OperationalError):
        accounts.connect(**options)
    after = before[-1].seq if before else 0
    row = recorder.trail.wait_for_one("kind = 'auth_failure' and server_pid = ? and seq > ?", accounts.pid, after)
    assert shown(row) == ("auth_failure", "login", options.get("user", "bob"), None, "error", code)
    assert row.error_message == message


PROGRAMS = [
    "create or replace table inner_t (id int)",
    "create or replace table inner_log (what varchar(20))",
    "create or replace trigger inner_trigger after insert on inner_t for each row insert into inner_log values ('t')",
    "create or replace function inner_f() returns int deterministic modifies sql data begin"
    " declare continue handler for 1146 begin end;"
    " insert into inner_log values ('f'); insert into inner_nope values (1); return 1; end",
    "create or replace procedure inner_p2() begin insert into inner_t values (2); end",
    "create or replace procedure inner_p1() begin select 1; call inner_p2(); set @x = inner_f();"
    " prepare s from 'select ? + 1'; execute s using @x; deallocate prepare s; end",
    "create or replace procedure inner_fails() begin"
    " insert into inner_log values ('a'); insert into inner_nope values (1); insert into inner_log values ('z'); end",
]

# Depth, text, rows changed, rows returned, code. What a trigger changes the server counts for its statement alone.
INSIDE = {
    "call inner_p1()": [
        (1, "select 1", None, 1, None), (1, "call inner_p2()", 1, None, None),
        (2, "insert into inner_t values (2)", 1, None, None),
        (3, "insert into inner_log values ('t')", None, None, None),
        (1, "SET @x = inner_f()", 0, None, None),
        (2, "insert into inner_log values ('f')", 1, None, None),
        (2, "insert into inner_nope values (1)", None, None, "1146"),
        (1, "prepare s from 'select ? + 1'", 0, None, None), (1, "execute s using @x", None, 1, None),
        # The server keeps a log, so it has put the value into the text.
        (2, "select 1 + 1", None, 1, None), (1, "deallocate prepare s", 0, None, None),
    ],
    "call inner_fails()": [
        (1, "insert into inner_log values ('a')", 1, None, None),
        (1, "insert into inner_nope values (1)", None, None, "1146"),
    ],
    "insert into inner_t values (1), (3)": [(1, "insert into inner_log values ('t')", None, None, None)] * 2,
    "select inner_f()": [
        (1, "insert into inner_log values ('f')", 1, None, None),
        (1, "insert into inner_nope values (1)", None, None, "1146"),
    ],
    "select 1": [],
}  # fmt: skip


def test_statements_inside_statements(scratch, accounts):
    """Each below the one that ran it, whether a handler hid its failure or not."""
    with (
        trail.Recorder(scratch / "inside", str(accounts.pid), "--sub-statements") as recorder,
        accounts.connect(user="root", password="") as connection,
    ):
        session = MySession(recorder.trail, accounts, connection)
        for text in PROGRAMS:
            assert session.run(text) is None
        session.rows()
        for text, inside in INSIDE.items():
            session.run(text)
            outer, *rows = session.rows()
            assert (outer.db_query_text, outer.parent_seq) == (text, None)
            depths = {outer.seq: 0}
            told = []
            for row in rows:
                depths[row.seq] = depths[row.parent_seq] + 1
                assert row.command == "sub_statement"
                told.append((depths[row.seq], row.db_query_text, row.rows_affected, row.rows_returned, row.status_code))
            assert told == inside, text


# What it is, and the rows that the trail may tell: none where the server does not count them.
RESULTS = [
    ("select 1 union select 2", 2), ("select 1 where 1 = 0", 0), ("values (1), (2)", 2), ("(select 1)", 1),
    ("with x as (select 1) select * from x where 1 = 0", 0), ("show databases like 'shop'", 1),
    ("show create table counted_rows", None), ("check table counted_rows", None), ("show grants", None),
    ("analyze select * from counted_rows", None), ("explain select 1", 1), ("/* x */ show warnings", None),
    ("delete from counted_rows where a > 9 returning a", 0), ("insert into counted_rows values (7) returning a", 1),
]  # fmt: skip


def test_rows_that_the_server_does_not_count_are_not_told(recorder, my):
    with my.connect() as connection:
        session = MySession(recorder.trail, my, connection)
        session.run("create or replace table counted_rows (a int)")
        session.rows()
        for text, _ in RESULTS:
            assert session.run(text) is None
        assert [(row.db_query_text, row.rows_returned) for row in session.rows()] == RESULTS


def test_objects_and_values_of_an_execution(recorder, my):
    with my.connect() as connection:
        session = MySession(recorder.trail, my, connection)
        session.run("create or replace table both_told (a int)")
        session.rows()
        prepared = Prepared(connection, "insert into both_told values (?), (?)")
        prepared.execute(*[Value(binary.LONG, struct.pack("<i", number)) for number in (1, 2)])
        (row,) = session.rows()
        assert json.loads(row.parameters) == [1, 2]
        assert json.loads(row.objects) == [
            {"name": "shop.both_told", "written": True, "inserted": 2, "updated": 0, "deleted": 0}
        ]
