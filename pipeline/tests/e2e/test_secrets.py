"""No secret is in anything that the recorder writes: trail, archive, standard output and error.

Every statement of `testdata/secrets.txt` is run for real, in each way that a client can send it, on
servers of its own, because some of them succeed in changing passwords and settings.
"""

from __future__ import annotations

import contextlib
import pathlib
import re
import subprocess

import duckdb
import mysql.connector
import pymysql
import pytest

import trail
from conftest import PASSWORD, MariaDBUnderTest, PostgresUnderTest

CORPUS = pathlib.Path(__file__).resolve().parents[2] / "testdata" / "secrets.txt"

# What each secret of the corpus has in it, and nothing else.
MARKER = b"Zq7M"
# A part of it, for text: compressed bytes could have it by chance.
PART = b"(?i)zq7"
PLAIN = "select 'not a secret'"
# Less than the recorder keeps of a text by default.
KEPT_BYTES = 64 * 1024


def corpus(dialect: str) -> list[str]:
    entries = CORPUS.read_text().split("\n--- ")[1:]
    found = [text for name, text in (entry.rstrip("\n").split("\n", 1) for entry in entries) if name == dialect]
    assert len(found) >= 100
    assert all(MARKER in text.encode() for text in found)
    return found


def cut_texts(text: str) -> list[str]:
    """`text` behind so much that the recorder keeps less than all of its secret."""
    kept = text.encode().index(MARKER) + len(MARKER)
    return [f"/* {'x' * (KEPT_BYTES - kept - more - len('/*  */ '))} */ {text}" for more in (-1, 0, 3)]


class Ran:
    """How often statements were sent, and how many of them the server refused."""

    def __init__(self) -> None:
        self.sent = self.failed = 0

    @contextlib.contextmanager
    def one(self, errors: type[Exception]):
        self.sent += 1
        try:
            yield
        except errors:
            self.failed += 1


def run_postgres(server: PostgresUnderTest, texts: list[str], ran: Ran) -> None:
    def sent(send, *arguments) -> None:
        ran.sent += 1
        result = send(*arguments)
        ran.failed += bool(result.error_message)

    with server.connect(user="postgres") as connection:
        pgconn = connection.pgconn
        for text in texts:
            whole = text.encode()
            sent(pgconn.exec_, whole)
            sent(pgconn.exec_, b"select 1; " + whole)
            sent(pgconn.exec_, whole + b"\n; select 'caf\xe9'")
            sent(pgconn.exec_params, whole, [])
            sent(pgconn.prepare, b"", whole)
            sent(pgconn.exec_prepared, b"", [])
        for text in texts[::10]:
            for cut in cut_texts(text):
                sent(pgconn.exec_, cut.encode())
        sent(pgconn.exec_params, b"update zqusers set password = $1 where name = $2", [b"Zq7Mbound", b"n"])
        sent(pgconn.exec_, PLAIN.encode())


def run_mariadb(server: MariaDBUnderTest, texts: list[str], ran: Ran) -> None:
    as_clerk = {"user": "clerk", "password": PASSWORD, "database": "shop"}
    one = server.connect(user="clerk")
    other = mysql.connector.connect(unix_socket=str(server.socket), autocommit=True, use_pure=True, **as_clerk)
    with one, other, one.cursor() as cursor:
        for text in texts:
            for form in (text, f"select 1; {text}", f"{text}\n; select '", *cut_texts(text)[: text.count("=")]):
                with ran.one(pymysql.err.MySQLError):
                    cursor.execute(form)
                    while cursor.nextset():
                        pass
            with ran.one(mysql.connector.Error), contextlib.closing(other.cursor(prepared=True)) as prepared:
                prepared.execute(text)
                prepared.fetchall()
        cursor.execute(PLAIN)


@pytest.fixture(scope="module")
def recorded(scratch):
    """A trail of the whole corpus: the recorder, and how the servers took the statements."""
    ran = {"postgres": Ran(), "mysql": Ran()}
    with PostgresUnderTest(scratch / "secret-pg") as pg, MariaDBUnderTest(scratch / "secret-my") as my:
        with pg.connect(user="postgres", dbname="postgres") as admin:
            admin.execute("create database shop")
        with pg.connect(user="postgres") as admin:
            for extension in ("pgcrypto", "dblink", "postgres_fdw"):
                admin.execute(f"create extension if not exists {extension}")
            admin.execute("create table zqusers (id int, name text, password text, api_key text, data jsonb)")
        my.make_accounts()
        with my.connect(user="root", password="") as admin, admin.cursor() as cursor:
            cursor.execute(f"create user clerk@localhost identified by '{PASSWORD}'")
            cursor.execute("grant all on *.* to clerk@localhost with grant option")
            cursor.execute("create table zqusers (id int primary key, name text, password text, api_key text)")
        with trail.Recorder(scratch / "secret-trail", str(pg.pid), str(my.pid)) as running:
            run_postgres(pg, corpus("postgres"), ran["postgres"])
            run_mariadb(my, corpus("mysql"), ran["mysql"])
            running.trail.wait_for("db_query_text = ? and db_system_name = 'postgresql'", PLAIN)
            running.trail.wait_for("db_query_text = ? and db_system_name = 'mariadb'", PLAIN)
            # While the write-ahead log has all of it.
            look_through_files(running.folder)
            assert running.stop() == 0, running.stderr()
    return running, ran


def leaks(data: bytes, what: bytes = PART) -> list[bytes]:
    """Where secrets are in `data`, with what is around them."""
    return [data[max(0, found.start() - 120) : found.end() + 60] for found in re.finditer(what, data)]


def look_through_files(folder: pathlib.Path) -> list[str]:
    """Names of the files of a trail; none of them has a secret."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    assert {path.name: found for path in files if (found := leaks(path.read_bytes(), MARKER))} == {}
    return [path.name for path in files]


def test_statements_were_recorded(recorded):
    running, ran = recorded
    for name, dialect in (("postgresql", "postgres"), ("mariadb", "mysql")):
        rows = running.trail.rows("db_system_name = ? and kind = 'query'", name)
        sent = ran[dialect]
        # Some of them the server takes, most not: for want of what they name.
        assert 50 < sent.failed < sent.sent
        assert len(rows) > 400
        masked = [row for row in rows if row.db_query_text and "***" in row.db_query_text]
        assert len(masked) > 300
        assert {"ok", "error"} <= {row.status for row in masked}
        assert any(row.truncated for row in masked)
        assert any("***" in (row.error_message or "") for row in rows)
        operations = {row.db_operation_name for row in masked}
        assert {"CREATE USER" if dialect == "mysql" else "CREATE ROLE", "UPDATE", "SELECT"} <= operations
    assert not running.trail.rows("kind = 'loss'")


def test_lengths_are_those_of_the_client(recorded):
    running, _ = recorded
    text = corpus("postgres")[0]
    rows = running.trail.rows("db_query_text like 'create user zu1 password ''%' and query_bytes = ?", len(text))
    assert rows
    assert {row.text for row in rows} == {b"create user zu1 password '***'"}


def test_no_secret_is_in_the_trail(recorded):
    running, _ = recorded
    assert "audit.db" in look_through_files(running.folder)
    with running.trail.connect() as connection:
        dump = "\n".join(connection.iterdump())
    assert "create user zu1 password" in dump
    assert leaks(dump.encode()) == []


def test_no_secret_is_in_the_archive(recorded):
    running, _ = recorded
    trail.sqltrail("compact", "--dir", running.folder, "--seal")
    assert any(name.endswith(".parquet") for name in look_through_files(running.folder))
    with duckdb.connect() as connection:
        rows = connection.execute(f"select * from '{running.folder}/archive/*/*.parquet'").fetchall()
    assert len(rows) > 800
    assert leaks(repr(rows).encode()) == []


def test_no_secret_is_printed(recorded):
    running, _ = recorded
    told = [running.stderr().encode()]
    for arguments in (
        ("tail", "--lines", "100000"),
        ("tail", "--lines", "100000", "--format", "json"),
        ("query", "failed_statements", "--format", "json"),
        ("query", "ddl_and_role_changes", "--format", "csv"),
        ("query", "slowest_statements", "--param", "limit=100000", "--format", "json"),
        ("query", "top_fingerprints", "--param", "limit=100000"),
        ("query", "activity_of_user", "--param", "user=postgres", "--format", "json"),
    ):
        done = subprocess.run(
            [trail.binary(), "--dir", running.folder, *arguments], capture_output=True, check=False, timeout=300
        )
        assert done.returncode == 0, (arguments, done.stderr)
        assert done.stdout, arguments
        told += [done.stdout, done.stderr]
    assert [leaks(text) for text in told] == [[]] * len(told)
