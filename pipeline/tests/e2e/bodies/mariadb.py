"""Plays a body to a MariaDB server and keeps what each client sent and got.

Takes a server and steps, gives for each session its messages in order, with the number of results and the
error that came back. It knows nothing of the trail.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import dataclasses
from collections.abc import Iterator

import binary
import pymysql
from binary import Prepared, Value
from pymysql.constants import CLIENT, COMMAND
from pymysql.protocol import EOFPacketWrapper, LoadLocalPacketWrapper, OKPacketWrapper

from bodies.script import Step

from servers import wait_until

PASSWORD = "correct horse"
ANSWER_DEADLINE_S = 60

# What the client's "file" has, whatever its name.
UPLOADED = "1,one\n2,two\n3,zoë\n".encode()

# A session that waits for another, or sleeps.
WAITS = """
select 1 from information_schema.processlist where id = %s and (state like 'User %%' or state like 'Waiting for %%')
union select 1 from information_schema.innodb_trx where trx_mysql_thread_id = %s and trx_state = 'LOCK WAIT'
"""


@dataclasses.dataclass
class Sent:
    """One message and how it ended for the client."""

    command: int
    # Of an execution, that of the prepared statement.
    text: bytes
    values: list | None
    # Line of the body; none of what the driver sends of its own accord.
    line: int | None
    # Results that came, before the error if there was one.
    results: int = 0
    # Number and SQLSTATE.
    error: tuple[int, str | None] | None = None


class Client(pymysql.Connection):
    """Keeps what it sends and gets; reads results without looking into them."""

    def __init__(self, **options: object) -> None:
        self.sent: list[Sent] = []
        self.line: int | None = None
        self.prepared: tuple[bytes, list] | None = None
        super().__init__(**options)

    def _execute_command(self, command: int, sql: str | bytes) -> None:
        text, values = sql.encode() if isinstance(sql, str) else sql, None
        if command == binary.EXECUTE:
            text, values = self.prepared
        self.sent.append(Sent(command, text, values, self.line))
        super()._execute_command(command, sql)

    def _read_packet(self, *arguments: object):
        try:
            return super()._read_packet(*arguments)
        except pymysql.err.MySQLError as error:
            if self.sent:
                self.sent[-1].error = (error.args[0], error.sqlstate)
            raise

    def query_bytes(self, text: bytes) -> None:
        """Sends a text and reads every result."""
        self._execute_command(COMMAND.COM_QUERY, text)
        self.results()

    def results(self) -> None:
        more = True
        while more:
            packet = self._read_packet()
            if packet.is_load_local_packet():
                LoadLocalPacketWrapper(packet)
                self.write_packet(UPLOADED)
                self.write_packet(b"")
                continue
            if packet.is_ok_packet():
                more = OKPacketWrapper(packet).has_next
            else:
                for _ in range(packet.read_length_encoded_integer() + 1):
                    self._read_packet()
                while not (packet := self._read_packet()).is_eof_packet():
                    pass
                more = EOFPacketWrapper(packet).has_next
            self.sent[-1].results += 1

    def execute(self, text: bytes, values: list) -> None:
        """Prepares, executes and closes."""
        self.prepared = text, values
        prepared = Executed(self, text)
        try:
            assert prepared.count == len(values), f"line {self.line}: {prepared.count} values are wanted"
            prepared.execute(*map(value, values))
        finally:
            prepared.close()

    def command(self, number: int, payload: bytes) -> None:
        self._execute_command(number, payload)
        packet = self._read_packet()
        if number == COMMAND.COM_FIELD_LIST:
            while not packet.is_eof_packet():
                packet = self._read_packet()


class Executed(Prepared):
    """Has as many results as what it calls."""

    def answer(self, flags: int) -> int:
        self.connection.results()
        return 0


def value(of: object) -> Value:
    """In the type that a driver would choose."""
    match of:
        case None:
            return Value(binary.NULL, None)
        case int():
            return Value(binary.LONGLONG, of.to_bytes(8, "little", signed=True))
        case float():
            return Value(binary.DOUBLE, binary.struct.pack("<d", of))
        case str():
            return binary.string(of.encode(), binary.VAR_STRING)
    raise TypeError(of)


class Play:
    """`sent` has the messages of each session, by connection id."""

    def __init__(self, server) -> None:
        self.server = server
        self.clients: dict[str, Client] = {}
        self.sent: dict[str, list[Sent]] = {}
        self.answers: dict[str, concurrent.futures.Future] = {}
        self.wrong: list[str] = []

    def connect(self, user: str, password: str) -> Client:
        return Client(
            unix_socket=str(self.server.socket), user=user, password=password, autocommit=None, charset="utf8mb4",
            client_flag=CLIENT.MULTI_STATEMENTS, local_infile=True, read_timeout=ANSWER_DEADLINE_S,
        )  # fmt: skip

    def run(self, steps: list[Step]) -> None:
        """What a step gave that the body does not say is in `wrong`."""
        with contextlib.ExitStack() as until_end:
            self.watcher = until_end.enter_context(self.connect("root", ""))
            pool = until_end.enter_context(concurrent.futures.ThreadPoolExecutor())
            for step in steps:
                code, said = None, None
                try:
                    self.step(step, pool)
                except pymysql.err.MySQLError as error:
                    code, said = error.args[0], error
                if code != step.code:
                    self.wrong.append(f"line {step.line}: {said}, expected {step.code}")
            for client in self.clients.values():
                if client.open:
                    client.close()

    def step(self, step: Step, pool: concurrent.futures.Executor) -> None:
        if step.how == "login":
            client = self.connect(step.argument or "root", PASSWORD if step.argument else "")
            self.clients[step.session] = client
            self.sent[str(client.thread_id())] = client.sent
            return
        client = self.clients[step.session]
        client.line = step.line
        text = b"".join(self.texts(step))
        match step.how:
            case "gone":
                client.close()
                del self.clients[step.session]
            case "query":
                client.query_bytes(text)
            case "exec":
                client.execute(text, step.argument)
            case "command":
                client.command(step.argument, text)
            case "send":
                self.answers[step.session] = pool.submit(client.query_bytes, text)
                wait_until(f"line {step.line} waits", ANSWER_DEADLINE_S, lambda: self.waits(client))
            case "got":
                self.answers.pop(step.session).result(ANSWER_DEADLINE_S)

    def texts(self, step: Step) -> Iterator[bytes]:
        for piece in step.text:
            yield piece if isinstance(piece, bytes) else str(self.clients[piece].thread_id()).encode()

    def waits(self, client: Client) -> bool:
        with self.watcher.cursor() as cursor:
            return cursor.execute(WAITS, [client.thread_id()] * 2) > 0
