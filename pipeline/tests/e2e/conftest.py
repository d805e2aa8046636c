"""Fixtures: private servers with their own logs on, and a recorder that watches them.

What cannot run on this machine ends the session with `not run: why` and a failure, never silently green.
"""

from __future__ import annotations

import itertools
import os
import pathlib
import signal

import psycopg
import pymysql
import pytest
from matrix import table
from pymysql.constants import CLIENT

import servers
import trail

PASSWORD = "correct horse"
ANSWER_DEADLINE_S = 60


def pytest_configure(config: pytest.Config) -> None:
    # The page of `packaging/matrix`.
    if page := os.environ.get("SQLTRAIL_MATRIX_PAGE"):
        config.pluginmanager.register(table.Results(pathlib.Path(page)))


def pytest_sessionstart(session: pytest.Session) -> None:
    # What is started is stopped, and what is made removed, also when the run is called off.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    lacks = []
    if os.geteuid() != 0:
        lacks.append("must be root to load probes")
    if not trail.binary().exists():
        lacks.append(f"no {trail.binary()}: cargo build")
    if lacks:
        pytest.exit(f"not run: {'; '.join(lacks)}", returncode=1)


@pytest.fixture(scope="session")
def scratch():
    with servers.scratch() as folder:
        yield folder


class PostgresUnderTest(servers.Postgres):
    """With user `alice` (password) who owns the database `shop`."""

    def connect(self, *, tcp: bool = False, user: str = "alice", **options) -> psycopg.Connection:
        where = {"host": "127.0.0.1", "password": PASSWORD} if tcp else {"host": str(self.socket_dir)}
        where |= {"port": self.port, "user": user, "dbname": "shop", "autocommit": True}
        return psycopg.connect(**(where | options))


class AuditedPostgres(PostgresUnderTest):
    """With pgaudit, which logs every class and every relation but those of the catalog."""

    def start(self) -> None:
        super().start()
        self.stop()
        with (self.data / "postgresql.conf").open("a") as conf:
            conf.write("shared_preload_libraries = 'pgaudit'\npgaudit.log = 'all'\n")
            conf.write("pgaudit.log_relation = on\npgaudit.log_catalog = off\n")
        self.launch(str(self.bin / "postgres"), "-D", str(self.data))


class MariaDBUnderTest(servers.MariaDB):
    """With user `bob` (password) who has the database `shop`."""

    def connect(self, *, tcp: bool = False, user: str = "bob", **options) -> pymysql.Connection:
        where = {"host": "127.0.0.1", "port": self.port} if tcp else {"unix_socket": str(self.socket)}
        where |= {"user": user, "password": PASSWORD, "database": "shop", "autocommit": True}
        where |= {"client_flag": CLIENT.MULTI_STATEMENTS, "read_timeout": ANSWER_DEADLINE_S}
        return pymysql.connect(**(where | options))

    def make_accounts(self) -> None:
        with self.connect(user="root", password="", database=None) as admin, admin.cursor() as cursor:
            cursor.execute("create database shop")
            for host in ("localhost", "127.0.0.1"):
                cursor.execute(f"create user bob@'{host}' identified by '{PASSWORD}'")
                cursor.execute(f"grant all on shop.* to bob@'{host}'")


@pytest.fixture(scope="session")
def pg(scratch: pathlib.Path):
    with PostgresUnderTest(scratch / "pg", logs=True) as server:
        with server.connect(user="postgres", dbname="postgres") as admin:
            admin.execute(f"create role alice login password '{PASSWORD}'")
            for name, encoding in (("shop", "UTF8"), ("latin", "LATIN1"), ("raw", "SQL_ASCII")):
                admin.execute(f"create database {name} owner alice encoding '{encoding}' template template0 locale 'C'")
        yield server


@pytest.fixture(scope="session")
def my(scratch: pathlib.Path):
    with MariaDBUnderTest(scratch / "my", logs=True) as server:
        server.make_accounts()
        yield server


@pytest.fixture(scope="session")
def recorder(scratch: pathlib.Path, pg: PostgresUnderTest, my: MariaDBUnderTest):
    """A recorder with the default settings, for all tests that need no other."""
    with trail.Recorder(scratch / "trail", str(pg.pid), str(my.pid)) as running:
        yield running


class Session:
    """A session on a server and its part of the trail, from here on.

    A session's records keep their order: once the trail has a statement that the session ran last (a
    fence), it has all that came before it.
    """

    def __init__(self, reader: trail.Trail, which: str, *values: object) -> None:
        self.trail, self.which, self.values = reader, which, values
        self.after = self.fence()

    def run(self, text: str | bytes) -> BaseException | None:
        """Sends `text` whole and reads every result; gives the error, if it failed."""
        raise NotImplementedError

    def fence(self) -> int:
        text = next_fence()
        assert self.run(text) is None
        return self.trail.wait_for_one(f"{self.which} and db_query_text = ?", *self.values, text).seq

    def rows(self) -> list[trail.Row]:
        """What the session ran since it was made or asked last."""
        after, self.after = self.after, self.fence()
        where = f"{self.which} and kind = 'query' and seq > ? and seq < ?"
        return self.trail.rows(where, *self.values, after, self.after)


class PgSession(Session):
    """By the simple protocol."""

    def __init__(self, reader: trail.Trail, connection: psycopg.Connection) -> None:
        self.connection = connection
        super().__init__(reader, "db_system_name = 'postgresql' and server_pid = ?", connection.info.backend_pid)

    def run(self, text: str | bytes) -> psycopg.Error | None:
        result = self.connection.pgconn.exec_(text if isinstance(text, bytes) else text.encode())
        return psycopg.errors.error_from_result(result) if result.error_message else None


class MySession(Session):
    """By COM_QUERY."""

    def __init__(self, reader: trail.Trail, server: MariaDBUnderTest, connection: pymysql.Connection) -> None:
        self.connection = connection
        super().__init__(reader, "server_pid = ? and session_id = ?", server.pid, str(connection.thread_id()))

    def run(self, text: str | bytes) -> pymysql.err.MySQLError | None:
        with self.connection.cursor() as cursor:
            try:
                cursor.execute(text)
                while cursor.nextset():
                    pass
            except pymysql.err.MySQLError as error:
                return error
        return None


@pytest.fixture
def pg_session(recorder: trail.Recorder, pg: PostgresUnderTest):
    with pg.connect() as connection:
        yield PgSession(recorder.trail, connection)


@pytest.fixture
def my_session(recorder: trail.Recorder, my: MariaDBUnderTest):
    with my.connect() as connection:
        yield MySession(recorder.trail, my, connection)


FENCES = itertools.count(1)


def next_fence() -> str:
    return f"select 'fence {os.getpid()} {next(FENCES)}'"
