"""Records the raw samples in this folder from real servers, as root.

    record.py --mariadb HOST:PORT [NAME...]

PostgreSQL is found as `psql` finds it (PGHOST, PGPORT, PGUSER; PGDATABASE is used), MariaDB by the option, both
as a superuser without a password. Makes a role and a schema of its own on each, and removes them at the end.
`capture_samples` (see `pipeline/examples`) starts this program again to play one client.
Afterwards `SQLTRAIL_BLESS=1 cargo test -p sqltrail --test golden` writes what is expected of them.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import pathlib
import subprocess
import sys
from collections.abc import Callable

import asyncpg
import mysql.connector
import psycopg
import pymysql
from pymysql.constants import CLIENT

HERE = pathlib.Path(__file__).resolve().parent
CAPTURE = HERE.parents[2] / "target/debug/examples/capture_samples"
USER = "sampler"
PASSWORD = "not a secret"


def pg_options() -> dict[str, str]:
    return {"user": USER, "password": PASSWORD, "application_name": "samples"}


def pg(*texts: str | bytes) -> None:
    """Sends each text as one message of the simple protocol, whatever comes of it."""
    with psycopg.connect(**pg_options(), autocommit=True) as connection:
        for text in texts:
            if connection.pgconn.status == psycopg.pq.ConnStatus.OK:
                connection.pgconn.exec_(text.encode() if isinstance(text, str) else text)


def my(*texts: str | bytes, **options) -> None:
    """Sends each text as one COM_QUERY, whatever comes of it."""
    with my_connect(**options) as connection:
        for text in texts:
            my_query(connection, text)


def my_connect(**options) -> pymysql.Connection:
    host, port = os.environ["SAMPLES_MARIADB"].rsplit(":", 1)
    where = {"host": host, "port": int(port), "user": USER, "password": PASSWORD, "database": USER}
    return pymysql.connect(**(where | options), autocommit=True, client_flag=CLIENT.MULTI_STATEMENTS)


def my_query(connection: pymysql.Connection, text: str | bytes) -> None:
    cursor = connection.cursor()
    try:
        cursor.execute(text)
        while cursor.nextset():
            pass
    except pymysql.err.MySQLError:
        pass


def postgres_simple() -> None:
    pg(
        "select 1",
        "create temp table t(id int, note text)",
        "insert into t select n, 'row ' || n from generate_series(1, 5) n",
        "update t set note = 'x' where id > 3",
        "delete from t where id = 1 returning *",
        "  select note, 'zo\u00eb \U0001f980' from t -- all",
        "copy (select * from t) to stdout",
        "explain select 1",
        "set application_name = 'renamed'",
        "select 2",
    )


def postgres_multi() -> None:
    pg(
        "select 1; select 2;\n  select 3",
        "begin;insert into pieces values (1), (2);/* ; */ select 'a;b';commit;",
        "select 1;;; select 2; -- the end",
        "select 1; select 1/0; select 3",
        "do $$ begin perform 1; perform 2; end $$; select 4",
        "create table gone(id int); drop table gone",
    )


def postgres_failures() -> None:
    pg(
        "selec 1",
        "select * from missing",
        "select 1; selec 2",
        "",
        " ; -- nothing",
        b"select 'caf\xe9'",
        "select set_config('application_name', 'last words', false), pg_terminate_backend(pg_backend_pid())",
    )


def postgres_login() -> None:
    for change in ({"password": "wrong"}, {"dbname": "nowhere"}):
        try:
            psycopg.connect(**(pg_options() | change)).close()
        except psycopg.OperationalError:
            pass


def postgres_extended() -> None:
    with psycopg.connect(**pg_options(), autocommit=True) as connection:
        for number in range(3):
            connection.execute("select %s::int + 1", (number,), prepare=True)
        with connection.pipeline():
            connection.execute("insert into pieces values (%s)", (3,))
            connection.execute("delete from pieces")
        try:
            connection.execute("select 1 / %s", (0,))
        except psycopg.Error:
            pass
    asyncio.run(cursors())


async def cursors() -> None:
    connection = await asyncpg.connect(**(pg_options_asyncpg()))
    async with connection.transaction():
        async for _ in connection.cursor("select n from generate_series(1, 5) n where n <> $1", 9, prefetch=2):
            pass
    await connection.close()


def pg_options_asyncpg() -> dict[str, object]:
    return {"user": USER, "password": PASSWORD, "server_settings": {"application_name": "asyncpg"}}


def postgres_long() -> None:
    pg("select '" + "x" * 3000 + "'", "select '" + "y" * 9000 + "'; select 2", "select '" + "z" * 300 + "'")


def mariadb_text() -> None:
    with my_connect() as connection:
        for text in (
            "select 1",
            "insert into pieces values (1), (2), (3)",
            "update pieces set id = id + 10 where id > 1",
            " select * from pieces -- all",
            b"select length('caf\xe9'), length('a\0b')",
            "select 'zo\u00eb \U0001f980'",
        ):
            my_query(connection, text)
        connection.select_db("test")
        connection.ping()
        my_query(connection, "select database()")
        connection.select_db(USER)
        my_query(connection, "delete from pieces")


def mariadb_failures() -> None:
    my("selec 1", "select * from missing", "", "-- nothing", "select 1;; select 2", "kill connection_id()")
    with my_connect() as connection:
        try:
            connection.select_db("nowhere")
        except pymysql.err.MySQLError:
            pass


def mariadb_multi() -> None:
    my(
        "select 1; select 2;\n  select 3",
        "  insert into pieces values (1);/* ; */ select 'a;b';delete from pieces; -- the end",
        "select 1; select * from missing; select 3",
        "do 1;do 2",
    )


def mariadb_prepared() -> None:
    host, port = os.environ["SAMPLES_MARIADB"].rsplit(":", 1)
    connection = mysql.connector.connect(
        host=host, port=int(port), user=USER, password=PASSWORD, database=USER, autocommit=True, use_pure=True
    )
    cursor = connection.cursor(prepared=True)
    for number in range(2):
        cursor.execute("insert into pieces values (?)", (number,))
    cursor.execute("select id from pieces where id < ?", (9,))
    cursor.fetchall()
    try:
        cursor.execute("select * from missing where id = ?", (1,))
    except mysql.connector.Error:
        pass
    connection.close()


def mariadb_execute() -> None:
    my(
        "prepare s from 'select ?'",
        "set @a = 1",
        "execute s using @a",
        "execute s using @a; select 2",
        "select 1; execute s using @a",
        "execute s using @a; execute s using @a;",
        "execute immediate 'select 5'",
        "execute immediate 'select 6'; select 7",
        "execute immediate 'insert into pieces values (6)'",
        "execute immediate 'selec 8'; select 9",
        "execute immediate 'select * from missing'",
        "execute nothing",
        "deallocate prepare s",
    )


def mariadb_procedures() -> None:
    my(
        "create procedure fill() begin insert into pieces values (1); select count(*) from pieces; end",
        "call fill()",
        "call fill(); select 2",
        "execute immediate 'call fill()'",
        "create procedure broken() begin do 1; select * from missing; end; call broken(); select 3",
        "drop procedure fill; drop procedure broken",
    )


def mariadb_login() -> None:
    for change in ({"password": "wrong"}, {"database": "nowhere"}):
        try:
            my("select 1", **change)
        except pymysql.err.MySQLError:
            pass


def mariadb_long() -> None:
    my("select '" + "x" * 3000 + "'", "select '" + "y" * 9000 + "'; select 2", "select '" + "z" * 300 + "'")


SAMPLES: dict[str, Callable[[], None]] = {
    function.__name__: function
    for function in (
        postgres_simple, postgres_multi, postgres_failures, postgres_login, postgres_extended, postgres_long,
        mariadb_text, mariadb_failures, mariadb_multi, mariadb_prepared, mariadb_execute, mariadb_procedures,
        mariadb_login, mariadb_long,
    )
}  # fmt: skip

PG_REMOVE = f"""do $$ begin if exists (select from pg_roles where rolname = '{USER}') then
drop owned by {USER} cascade; drop role {USER}; end if; end $$"""
PG_MAKE = f"""create role {USER} login password '{PASSWORD}'; grant create on schema public to {USER};
create table pieces(id int); alter table pieces owner to {USER}"""
MY_REMOVE = (f"drop database if exists {USER}", f"drop user if exists {USER}")
MY_MAKE = (
    f"create database {USER}", f"create table {USER}.pieces(id int)",
    f"create user {USER} identified by '{PASSWORD}'", f"grant all on *.* to {USER}",
)  # fmt: skip


def administer(postgres: str, mariadb: tuple[str, ...]) -> None:
    with psycopg.connect(autocommit=True) as connection:
        connection.execute(postgres)
    with my_connect(user="root", password="", database=None) as connection:
        for text in mariadb:
            connection.query(text)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mariadb", default=os.environ.get("SAMPLES_MARIADB"), required=False)
    parser.add_argument("--play", choices=SAMPLES)
    parser.add_argument("names", nargs="*")
    arguments = parser.parse_args()
    os.environ["SAMPLES_MARIADB"] = arguments.mariadb
    if arguments.play:
        SAMPLES[arguments.play]()
        return
    administer(PG_REMOVE, MY_REMOVE)
    administer(PG_MAKE, MY_MAKE)
    try:
        for name in arguments.names or SAMPLES:
            engine = "postgresql" if name.startswith("postgres") else "mariadb"
            play = [sys.executable, __file__, "--play", name]
            subprocess.run([CAPTURE, HERE / name, engine, USER, *play], check=True)
    finally:
        administer(PG_REMOVE, MY_REMOVE)


if __name__ == "__main__":
    main()
