"""Plays a body to a PostgreSQL server by psycopg or asyncpg, as real programs use them.

Takes where the server is and steps, gives for each client its process and the SQLSTATEs of what failed.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import threading

import asyncpg
import psycopg

from bodies import play
from bodies.script import Step

# What the client's file has, whatever is read from it.
UPLOADED = b"91,x\n92,y\n"


class Psycopg:
    """With values bound by the server; `prepare` gives every statement a name in the session."""

    def __init__(self, where: dict, *, prepare: bool) -> None:
        self.connection = psycopg.connect(**where, autocommit=True, cursor_factory=psycopg.RawCursor)
        self.id = self.connection.info.backend_pid
        self.prepare = prepare
        self.codes: list[str] = []
        self.line = 0
        self.pipeline: contextlib.ExitStack | None = None
        # The first error of the pipeline; those that follow say only that it is not run.
        self.first: psycopg.Error | None = None

    def close(self) -> None:
        self.connection.close()

    def run(self, how: str, text: bytes, values: list) -> None:
        try:
            self.send(how, text, values)
        except psycopg.Error as error:
            if self.pipeline:
                self.first = self.first or error
                return
            self.codes.append(error.sqlstate)
            raise

    def send(self, how: str, text: bytes, values: list) -> None:
        # Results in binary form can be had by the extended protocol alone.
        cursor = self.connection.cursor(binary=True)
        match how:
            case "query" | "exec":
                cursor.execute(text, values or None, prepare=self.prepare)
            case "many":
                cursor.executemany(text, values)
            case "cursor":
                with (
                    self.connection.transaction(),
                    psycopg.RawServerCursor(self.connection, "read_in_parts") as named,
                ):
                    named.execute(text, values[1:])
                    while named.fetchmany(values[0]):
                        pass
            case "copy in":
                with cursor.copy(text) as copy:
                    copy.write(UPLOADED)
            case "copy out":
                with cursor.copy(text) as copy:
                    for _ in copy:
                        pass
            case "simple":
                result = self.connection.pgconn.exec_(text)
                if result.error_message:
                    raise psycopg.errors.error_from_result(result)
            case "pipeline":
                self.pipeline = contextlib.ExitStack()
                self.pipeline.enter_context(self.connection.pipeline())
            case "sync":
                self.sync()

    def sync(self) -> None:
        pipeline, self.pipeline = self.pipeline, None
        try:
            pipeline.close()
        except psycopg.Error as error:
            self.first = self.first or error
        first, self.first = self.first, None
        if first:
            raise first


class Asyncpg:
    """Every statement has a name in the session; values are bound in binary form."""

    def __init__(self, where: dict) -> None:
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever)
        self.thread.start()
        self.connection: asyncpg.Connection = self.wait(asyncpg.connect(**where))
        self.id = self.connection.get_server_pid()
        self.codes: list[str] = []
        self.line = 0

    def wait(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(play.ANSWER_DEADLINE_S)

    def close(self) -> None:
        self.wait(self.connection.close())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()
        self.loop.close()

    def run(self, how: str, text: bytes, values: list) -> None:
        try:
            self.wait(self.send(how, text.decode(), values))
        except asyncpg.PostgresError as error:
            # That a session was ended is told as the cause of a lost connection.
            error = error.__cause__ or error
            self.codes.append(error.sqlstate)
            raise error from None

    async def send(self, how: str, text: str, values: list) -> None:
        match how:
            case "query" | "exec":
                await self.connection.fetch(text, *values)
            case "many":
                await self.connection.executemany(text, values)
            case "cursor":
                async with self.connection.transaction():
                    async for _ in self.connection.cursor(text, *values[1:], prefetch=values[0]):
                        pass
            case "copy in":
                await self.connection._copy_in(text, io.BytesIO(UPLOADED), None)
            case "copy out":
                await self.connection._copy_out(text, ignore, None)
            case "simple":
                await self.connection.execute(text)


def without_pipelines(steps: list[Step]) -> list[Step]:
    """For a driver that has none."""
    kept, inside = [], False
    for step in steps:
        inside |= step.how == "pipeline"
        if not inside:
            kept.append(step)
        inside &= step.how != "sync"
    return kept


async def ignore(_: bytes) -> None:
    pass


class Play(play.Play):
    """`way` is `unnamed` or `prepared` (both psycopg), or `asyncpg`."""

    failure = (psycopg.Error, asyncpg.PostgresError)

    def __init__(self, server, database: str, way: str) -> None:
        super().__init__()
        self.server, self.database, self.way = server, database, way
        self.watcher = server.connect(user="postgres", dbname=database)

    def login(self, user: str | None) -> Psycopg | Asyncpg:
        where = {"host": str(self.server.socket_dir), "port": self.server.port, "user": user or "postgres"}
        settings = {"timezone": "UTC"}
        if self.way == "asyncpg":
            return Asyncpg(where | {"database": self.database, "server_settings": settings})
        options = " ".join(f"-c {name}={value}" for name, value in settings.items())
        return Psycopg(where | {"dbname": self.database, "options": options}, prepare=self.way == "prepared")

    def close(self) -> None:
        for client in (*self.clients.values(), self.watcher):
            client.close()

    def code(self, error: Exception) -> str | None:
        return error.sqlstate

    def waits(self, client: Psycopg | Asyncpg) -> bool:
        asked = "select 1 from pg_stat_activity where pid = %s and (wait_event_type = 'Lock' or wait_event = 'PgSleep')"
        return self.watcher.execute(asked, (client.id,)).fetchone() is not None
