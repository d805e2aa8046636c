"""The binary protocol of MariaDB and MySQL, as far as situations need it.

Takes a connection of PyMySQL, which has no prepared statements, and sends the commands itself.
"""

from __future__ import annotations

import struct

import pymysql
from pymysql.constants import COMMAND, FIELD_TYPE

CURSOR_READ_ONLY = 1
CURSOR_EXISTS = 0x40
BULK = 0xFA


def read_definitions(connection: pymysql.Connection, count: int) -> int:
    """Reads `count` column definitions and the packet behind them; gives the server's status."""
    for _ in range(count):
        connection._read_packet()
    return read_end(connection._read_packet()) if count else 0


def read_end(packet) -> int:
    assert packet.is_eof_packet(), packet._data
    return struct.unpack_from("<H", packet._data, 3)[0]


def encode(value: object) -> tuple[int, bytes]:
    """Type and bytes of a value that is not NULL."""
    if isinstance(value, int):
        return FIELD_TYPE.LONGLONG, struct.pack("<q", value)
    if isinstance(value, float):
        return FIELD_TYPE.DOUBLE, struct.pack("<d", value)
    data = value.encode() if isinstance(value, str) else bytes(value)
    assert len(data) < 251
    kind = FIELD_TYPE.VAR_STRING if isinstance(value, str) else FIELD_TYPE.BLOB
    return kind, bytes([len(data)]) + data


class Statement:
    """A prepared statement. `fetched` has the number of rows that came of the last command."""

    def __init__(self, connection: pymysql.Connection, text: str) -> None:
        self.connection, self.fetched = connection, 0
        connection._execute_command(COMMAND.COM_STMT_PREPARE, text)
        packet = connection._read_packet()
        self.id, columns, self.parameters = struct.unpack_from("<IHH", packet._data, 1)
        read_definitions(connection, self.parameters)
        read_definitions(connection, columns)

    def execute(self, *values: object, cursor: bool = False, types: bool = True, long: tuple[int, ...] = ()) -> None:
        """`types` false leaves them out, as a client may that has sent them before; `long` values came by `send`."""
        nulls = bytearray((len(values) + 7) // 8)
        kinds, data = b"", b""
        for number, value in enumerate(values):
            if value is None:
                nulls[number // 8] |= 1 << number % 8
                kinds += struct.pack("<H", FIELD_TYPE.NULL)
                continue
            kind, encoded = encode(value)
            kinds += struct.pack("<H", kind)
            data += b"" if number in long else encoded
        body = struct.pack("<IBI", self.id, CURSOR_READ_ONLY if cursor else 0, 1)
        if values:
            body += bytes(nulls) + (b"\1" + kinds if types else b"\0") + data
        self.connection._execute_command(COMMAND.COM_STMT_EXECUTE, body)
        first = self.connection._read_packet()
        self.fetched = 0
        if first.is_ok_packet():
            return
        status = read_definitions(self.connection, first.read_length_encoded_integer())
        if not status & CURSOR_EXISTS:
            self.read_rows()

    def read_rows(self) -> None:
        while not (packet := self.connection._read_packet()).is_eof_packet():
            self.fetched += 1
        read_end(packet)

    def send(self, number: int, data: bytes) -> None:
        body = struct.pack("<IH", self.id, number) + data
        self.connection._execute_command(COMMAND.COM_STMT_SEND_LONG_DATA, body)

    def fetch(self, rows: int) -> None:
        self.connection._execute_command(COMMAND.COM_STMT_FETCH, struct.pack("<II", self.id, rows))
        self.fetched = 0
        self.read_rows()

    def reset(self) -> None:
        self.connection._execute_command(COMMAND.COM_STMT_RESET, struct.pack("<I", self.id))
        self.connection._read_packet()

    def close(self) -> None:
        """The server does not answer."""
        self.connection._execute_command(COMMAND.COM_STMT_CLOSE, struct.pack("<I", self.id))
