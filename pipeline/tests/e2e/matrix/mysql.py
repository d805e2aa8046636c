"""Situations of MariaDB and MySQL."""

from __future__ import annotations

import contextlib

import mysql.connector
import pymysql
from pymysql.constants import COMMAND

from matrix.play import Book, Stage
from matrix.wire import Statement

from conftest import PASSWORD

BOOK = Book()
situation = BOOK.situation

SCHEMA = [
    "create table item (id int primary key, name varchar(40), price int)",
    "insert into item values (1, 'item 1', 10), (2, 'item 2', 20), (3, 'item 3', 30),"
    " (4, 'item 4', 40), (5, 'item 5', 50)",
    "create view cheap as select id, name, price from item where price < 30",
    "create table parent (id int primary key)",
    "create table child (id int primary key, parent int,"
    " foreign key (parent) references parent (id) on delete cascade)",
    "create table measure (day int, value int) partition by range (day)"
    " (partition low values less than (10), partition high values less than (20))",
    "create table noted (what varchar(40))",
    "create table watched (id int)",
    "create trigger watch_i after insert on watched for each row insert into noted values ('insert')",
    "create trigger watch_u after update on watched for each row insert into noted values ('update')",
    "create trigger watch_d after delete on watched for each row insert into noted values ('delete')",
    "create function total() returns bigint reads sql data return (select sum(price) from item)",
    "create procedure add_note(what varchar(40)) insert into noted values (what)",
    "create procedure several() begin select 1; insert into noted values ('two'); select 3; end",
    "create procedure swallow() begin declare continue handler for sqlexception begin end; select * from absent; end",
    "create procedure fail_inside() begin insert into noted values ('x');"
    " signal sqlstate '45000' set message_text = 'own words', mysql_errno = 1644; end",
    "create table target (id int primary key, v int)",
    "create procedure await_sleeper() begin declare n int default 0; while n < 1000 and not exists"
    " (select 1 from information_schema.processlist where state = 'User sleep' and id <> connection_id())"
    " do do sleep(0.01); set n = n + 1; end while; end",
    "create role reader",
    "grant select on shop.item to reader",
    "grant reader to bob@localhost",
    f"create user carol@localhost identified by '{PASSWORD}'",
    "grant select on shop.* to carol@localhost",
    "create database other",
    "grant all on other.* to bob@localhost",
]


def prepare(server) -> None:
    """Before the recorder comes."""
    server.make_accounts()
    with server.connect(user="root", password="") as admin, admin.cursor() as cursor:
        for text in SCHEMA:
            cursor.execute(text)


def run(stage: Stage, *texts: str, connection=None, code: int | None = None, **options) -> pymysql.Connection:
    """Sends each text whole by COM_QUERY; the last one must fail with `code`, if given."""
    connection = connection or stage.open(**options)
    with connection.cursor() as cursor:
        for number, text in enumerate(texts):
            failing = code is not None and number == len(texts) - 1
            with stage.fails(code) if failing else contextlib.nullcontext():
                cursor.execute(text)
                while cursor.nextset():
                    pass
    return connection


def root(stage: Stage, *texts: str, **options) -> pymysql.Connection:
    return run(stage, *texts, user="root", password="", **options)


@situation()
def simple_select(stage: Stage) -> None:
    run(stage, "select id, name from item where price > 20", "select 1 where false")


@situation()
def connection_by_tcp(stage: Stage) -> None:
    run(stage, "select 'tcp'", tcp=True)


@situation()
def application_name(stage: Stage) -> None:
    run(stage, "select 1", program_name="matrix of tests")


@situation()
def several_statements(stage: Stage) -> None:
    run(stage, "select 1;  select id from item; update item set price = price + 0 where id = 2 /* last */")


@situation()
def several_statements_one_fails(stage: Stage) -> None:
    run(stage, "select 1; select * from absent; select 3", code=1146)


@situation()
def empty_text(stage: Stage) -> None:
    # MySQL calls it an error.
    with contextlib.suppress(pymysql.Error):
        run(stage, "-- only a comment")


@situation()
def syntax_error(stage: Stage) -> None:
    run(stage, "selec 1", code=1064)


@situation()
def unknown_table(stage: Stage) -> None:
    run(stage, "select * from absent", code=1146)


@situation()
def unknown_column(stage: Stage) -> None:
    run(stage, "select nope from item", code=1054)


@situation()
def error_while_executing(stage: Stage) -> None:
    run(stage, "insert into item values (99, 'new', 1), (1, 'again', 1)", code=1062)
    run(stage, "select (select id from item)", code=1242)


@situation()
def permission_denied(stage: Stage) -> None:
    run(stage, "delete from item", user="carol", code=1142)


@situation()
def transaction(stage: Stage) -> None:
    run(
        stage, "begin", "insert into target values (1, 1)", "savepoint s", "update target set v = 2",
        "rollback to savepoint s", "release savepoint s", "select v from target", "rollback",
    )  # fmt: skip


@situation()
def bind_values(stage: Stage) -> None:
    statement = Statement(stage.open(), "select ?, ?, ?, ?, ?")
    statement.execute(1, -(2**40), 1.5, "o'ne", None)
    statement.execute(2, 3, 2.5, "two", b"\0\xff")
    statement.execute(4, 5, 3.5, "three", b"y", types=False)
    statement.close()


@situation()
def prepared_writes(stage: Stage) -> None:
    connection = stage.open()
    statement = Statement(connection, "insert into target values (?, ?)")
    statement.execute(1, 10)
    statement.execute(2, None)
    with stage.fails(1062):
        statement.execute(1, 11)
    statement.close()
    statement = Statement(connection, "delete from target where id < ?")
    statement.execute(9)
    statement.close()


@situation()
def prepared_long_data(stage: Stage) -> None:
    statement = Statement(stage.open(), "select length(?), ?")
    statement.send(0, b"part one, ")
    statement.send(0, b"part two")
    statement.execute(b"", 7, long=(0,))
    statement.reset()
    statement.close()


@situation()
def prepared_cursor(stage: Stage) -> None:
    statement = Statement(stage.open(), "select id from item where id > ?")
    statement.execute(1, cursor=True)
    statement.fetch(3)
    assert statement.fetched == 3
    statement.fetch(3)
    assert statement.fetched == 1
    statement.close()


@situation()
def prepare_fails(stage: Stage) -> None:
    with stage.fails(1054):
        Statement(stage.open(), "select nope from item where id = ?")


@situation()
def sql_prepare(stage: Stage) -> None:
    run(stage, "prepare p from 'select name from item where id = ?'", "set @x = 2", "execute p using @x",
        "deallocate prepare p", "execute p using @x", code=1243)  # fmt: skip


@situation()
def writes(stage: Stage) -> None:
    run(
        stage, "insert into target values (1, 1), (2, 2), (3, 3)",
        "insert into target values (1, 9), (5, 5) on duplicate key update v = 8",
        "insert ignore into target values (1, 9)", "replace into target values (2, 7)",
        "update target set v = 0 where id > 2", "delete from target where id = 1",
        "insert into noted select id from target", "truncate table target",
    )  # fmt: skip


@situation()
def several_tables(stage: Stage) -> None:
    run(
        stage, "insert into target values (1, 1), (2, 2)", "select count(*) from item join target using (id)",
        "update item join target using (id) set target.v = 9", "delete target from target join item using (id)",
    )  # fmt: skip


@situation()
def definitions(stage: Stage) -> None:
    run(
        stage, "create table made (id int auto_increment primary key, a text)", "create index made_a on made (a(10))",
        "alter table made add column b int", "create table made_too as select id, name from item",
        "rename table made to renamed", "drop table renamed, made_too", "drop table absent",
        code=1051,
    )  # fmt: skip


@situation()
def view(stage: Stage) -> None:
    run(stage, "select name from cheap", "update cheap set name = 'item one' where id = 1",
        "update cheap set name = 'item 1' where id = 1")  # fmt: skip


@situation()
def partitions(stage: Stage) -> None:
    run(
        stage, "insert into measure values (1, 1), (11, 2), (12, 3)", "select sum(value) from measure",
        "select sum(value) from measure where day < 10", "update measure set day = 13 where day = 1",
        "insert into measure values (99, 1)",
        code=1526,
    )  # fmt: skip


@situation()
def trigger(stage: Stage) -> None:
    run(stage, "insert into watched values (1), (2)", "update watched set id = 3 where id = 1", "delete from watched")


@situation()
def cascade(stage: Stage) -> None:
    run(
        stage, "insert into parent values (1), (2)", "insert into child values (1, 1), (2, 1), (3, 2)",
        "delete from parent where id = 1", "insert into child values (9, 9)",
        code=1452,
    )  # fmt: skip


@situation()
def functions(stage: Stage) -> None:
    run(stage, "select total()", "call add_note('called')", "call several()")


@situation()
def caught_error(stage: Stage) -> None:
    run(stage, "call swallow()")


@situation()
def error_in_a_procedure(stage: Stage) -> None:
    run(stage, "call fail_inside()", code=1644)


@situation()
def set_role(stage: Stage) -> None:
    run(stage, "set role reader", "select current_role()", "set role none")


@situation()
def other_database(stage: Stage) -> None:
    connection = run(stage, "use other", "select database()", "select count(*) from shop.item")
    connection.select_db("shop")
    run(stage, "select database()", connection=connection)


@situation()
def change_user(stage: Stage) -> None:
    connection = mysql.connector.connect(
        unix_socket=str(stage.server.socket), user="bob", password=PASSWORD, database="shop", use_pure=True,
        charset="utf8mb4", collation="utf8mb4_general_ci",
    )  # fmt: skip
    stage.note_mysql(connection.connection_id, connection._socket.sock)
    connection.cmd_query("select 'as bob'")
    connection.get_rows()
    connection.cmd_change_user("carol", PASSWORD, "shop")
    connection.cmd_query("select 'as carol'")
    connection.get_rows()
    connection.cmd_quit()


@situation()
def grants(stage: Stage) -> None:
    root(stage, "grant update on shop.item to reader", "revoke update on shop.item from reader",
         "create role made_role", "drop role made_role", "create user erin@localhost",
         "drop user erin@localhost")  # fmt: skip


@situation()
def settings(stage: Stage) -> None:
    run(stage, "set @a = 1, sql_mode = ''", "show variables like 'version'", "show tables", "set names utf8mb4")


@situation()
def maintenance(stage: Stage) -> None:
    run(stage, "analyze table item", "check table item", "flush tables", code=1227)
    root(stage, "flush tables")


@situation()
def explain(stage: Stage) -> None:
    run(stage, "explain select * from item", "describe item")


@situation()
def locks(stage: Stage) -> None:
    run(stage, "lock tables item write", "update item set price = price + 0 where id = 1", "unlock tables",
        "begin", "select id from item where id = 1 for update", "commit")  # fmt: skip


@situation()
def large_text(stage: Stage) -> None:
    run(stage, "select length('" + "x" * 70_000 + "')")


@situation()
def literals(stage: Stage) -> None:
    run(
        stage, "select 'it''s', 'back\\'slash', \"double\", _utf8mb4'x', x'1F', b'101', 1e3, -5, 'é€'",
        "select /*! 1 + */ 2 # end", "select /* inner */ 1 -- end",
        "select id as `a ``quoted`` name` from item limit 1",
    )  # fmt: skip


@situation()
def secrets(stage: Stage) -> None:
    mariadb = stage.server.installation.engine == "mariadb"
    password = "password('hidden-3')" if mariadb else "'hidden-3'"
    root(
        stage, "create user keeper@localhost identified by 'hidden-1'",
        "alter user keeper@localhost identified by 'hidden-2'",
        f"set password for keeper@localhost = {password}",
        "drop user keeper@localhost", "create usr keeper@localhost identified by 'hidden-4'",
        code=1064,
    )  # fmt: skip


@situation()
def ping(stage: Stage) -> None:
    stage.open().ping(reconnect=False)


@situation()
def killed_session(stage: Stage) -> None:
    victim = stage.open()
    root(stage, f"kill {victim.thread_id():012}")
    # The server says why, or only hangs up.
    while victim._sock.recv(100):
        pass


@situation()
def killed_query(stage: Stage) -> None:
    victim = stage.open()
    killer = stage.open(user="root", password="")
    victim._execute_command(COMMAND.COM_QUERY, "select sleep(60) from item where id = 1")
    run(stage, "call await_sleeper()", connection=killer)
    run(stage, f"kill query {victim.thread_id():012}", connection=killer)
    with contextlib.suppress(pymysql.Error):
        victim._read_query_result()


@situation()
def refused_logins(stage: Stage) -> None:
    for options in (
        {"tcp": True, "password": "wrong"}, {"tcp": True, "user": "mallory"}, {"user": "nobody_here"},
        {"database": "nowhere"},
    ):  # fmt: skip
        try:
            stage.server.connect(**options)
        except pymysql.OperationalError:
            stage.refused += 1
            continue
        raise AssertionError(f"{options} came in")
