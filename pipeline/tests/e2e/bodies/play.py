"""Plays a body to a server, step by step, in as many sessions as it names.

Takes steps and what makes a client of a server; the client has a method for each word in brackets. It knows
nothing of the trail.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import datetime
import decimal
import uuid
from collections.abc import Iterator

from bodies.script import Step

from servers import wait_until

ANSWER_DEADLINE_S = 60


def utc(*when: int) -> datetime.datetime:
    return datetime.datetime(*when, tzinfo=datetime.UTC)


# What values are written with.
NAMES = {
    "D": decimal.Decimal, "date": datetime.date, "time": datetime.time, "datetime": datetime.datetime, "utc": utc,
    "days": datetime.timedelta, "uuid": uuid.UUID, "list": lambda *values: [*values], "null": None,
    "inf": float("inf"), "nan": float("nan"),
}  # fmt: skip


class Play:
    """`wrong` says what came otherwise than the body has it."""

    # What a driver raises when a statement fails.
    failure: type[Exception]

    def __init__(self) -> None:
        self.clients: dict[str, object] = {}
        # Also those that are gone.
        self.all: list = []
        self.answers: dict[str, concurrent.futures.Future] = {}
        self.wrong: list[str] = []

    def login(self, user: str | None):
        """A new client: with `run`, `close`, `id`, and `line` to be set."""
        raise NotImplementedError

    def waits(self, client) -> bool:
        """Whether its statement waits in the server for a lock or for time to pass."""
        raise NotImplementedError

    def code(self, error: Exception) -> str | None:
        raise NotImplementedError

    def run(self, steps: list[Step]) -> None:
        with contextlib.ExitStack() as until_end:
            pool = until_end.enter_context(concurrent.futures.ThreadPoolExecutor())
            until_end.callback(self.close)
            for step in steps:
                code, said = None, None
                try:
                    self.step(step, pool)
                except self.failure as error:
                    code, said = self.code(error), error
                if code != step.code:
                    self.wrong.append(f"line {step.line}: {code} {said}, expected {step.code}")

    def close(self) -> None:
        for client in self.clients.values():
            client.close()

    def step(self, step: Step, pool: concurrent.futures.Executor) -> None:
        if step.how == "login":
            client = self.login(step.argument)
            self.clients[step.session] = client
            self.all.append(client)
            return
        client = self.clients[step.session]
        client.line = step.line
        text = b"".join(self.texts(step))
        values = eval(f"[{step.argument or ''}]", NAMES | {"id": self.id})  # noqa: S307
        match step.how:
            case "gone":
                self.clients.pop(step.session).close()
            case "send":
                self.answers[step.session] = pool.submit(client.run, "exec" if values else "query", text, values)
                wait_until(f"line {step.line} waits", ANSWER_DEADLINE_S, lambda: self.waits(client))
            case "got":
                self.answers.pop(step.session).result(ANSWER_DEADLINE_S)
            case how:
                client.run(how, text, values)

    def texts(self, step: Step) -> Iterator[bytes]:
        for piece in step.text:
            yield piece if isinstance(piece, bytes) else str(self.id(piece)).encode()

    def id(self, session: str) -> int:
        return self.clients[session].id
