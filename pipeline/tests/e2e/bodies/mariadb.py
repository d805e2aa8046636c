"""Plays a body to a MariaDB server and keeps what each client sent and got.

Takes a server and steps, gives for each client its messages in order, with the number of results and the
error that came back.
"""

from __future__ import annotations

import dataclasses

import binary
import pymysql
from binary import Prepared, Value
from pymysql.constants import CLIENT, COMMAND
from pymysql.protocol import EOFPacketWrapper, LoadLocalPacketWrapper, OKPacketWrapper

from bodies import play

PASSWORD = "correct horse"

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

    @property
    def id(self) -> int:
        return self.thread_id()

    def run(self, how: str, text: bytes, values: list) -> None:
        """Sends a message and reads every result."""
        match how:
            case "query":
                self._execute_command(COMMAND.COM_QUERY, text)
                self.results()
            case "exec":
                self.execute(text, values)
            case "command":
                self.command(*values, text)

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


class Play(play.Play):
    failure = pymysql.err.MySQLError

    def __init__(self, server) -> None:
        super().__init__()
        self.server = server
        self.watcher = self.login(None)

    def login(self, user: str | None) -> Client:
        return Client(
            unix_socket=str(self.server.socket), user=user or "root", password=PASSWORD if user else "",
            autocommit=None, charset="utf8mb4", client_flag=CLIENT.MULTI_STATEMENTS, local_infile=True,
            read_timeout=play.ANSWER_DEADLINE_S,
        )  # fmt: skip

    def close(self) -> None:
        for client in (*self.clients.values(), self.watcher):
            if client.open:
                client.close()

    def code(self, error: Exception) -> str:
        return str(error.args[0])

    def waits(self, client: Client) -> bool:
        with self.watcher.cursor() as cursor:
            return cursor.execute(WAITS, [client.id] * 2) > 0
