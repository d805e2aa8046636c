"""The binary protocol of MariaDB and MySQL, byte by byte: what drivers rarely send is sent here, too.

Takes a PyMySQL connection; sends commands about prepared statements and reads every answer. Types and
values are given as they stand in the packet (MariaDB, "COM_STMT_EXECUTE"; the same in MySQL).
"""

from __future__ import annotations

import dataclasses
import struct

import pymysql

PREPARE, EXECUTE, LONG_DATA, CLOSE, RESET, FETCH, BULK = 0x16, 0x17, 0x18, 0x19, 0x1A, 0x1C, 0xFA

UNSIGNED = 0x80
TINY, SHORT, LONG, FLOAT, DOUBLE, NULL, LONGLONG, INT24, YEAR = 1, 2, 3, 4, 5, 6, 8, 9, 13
DATE, TIME, DATETIME, TIMESTAMP = 10, 11, 12, 7
VARCHAR, NEWDECIMAL, BLOB, VAR_STRING, STRING = 15, 246, 252, 253, 254

CURSOR_READ_ONLY = 1
BULK_TYPES = 128

# `CLIENT_LONG_PASSWORD` has the meaning "MySQL" where further abilities are told, and
# `MARIADB_CLIENT_STMT_BULK_OPERATIONS` is the third of them.
CLIENT_MYSQL = 1
BULK_OPERATIONS = 1 << 2


class BulkConnection(pymysql.Connection):
    """Says at its login that it can execute in bulk, as MariaDB's own connectors do."""

    told = False

    def write_packet(self, payload: bytes) -> None:
        if not self.told:
            self.told = True
            (flags,) = struct.unpack_from("<I", payload)
            abilities = struct.pack("<I", BULK_OPERATIONS)
            payload = struct.pack("<I", flags & ~CLIENT_MYSQL) + payload[4:28] + abilities + payload[32:]
        super().write_packet(payload)


@dataclasses.dataclass(frozen=True)
class Value:
    """One value: its type, whether it has no sign, and its bytes; `None` is NULL."""

    kind: int
    data: bytes | None
    unsigned: bool = False

    @property
    def type(self) -> bytes:
        return bytes([self.kind, UNSIGNED if self.unsigned else 0])


def string(data: bytes, kind: int = STRING) -> Value:
    """With its length before it."""
    if len(data) < 0xFB:
        return Value(kind, bytes([len(data)]) + data)
    return Value(kind, b"\xfd" + len(data).to_bytes(3, "little") + data)


class Prepared:
    """A statement that the server has prepared."""

    def __init__(self, connection: pymysql.Connection, text: str | bytes) -> None:
        self.connection = connection
        self.send(PREPARE, text if isinstance(text, bytes) else text.encode())
        head = connection._read_packet().get_all_data()
        self.id, columns, self.count = struct.unpack_from("<IHH", head, 1)
        for described in (self.count, columns):
            for _ in range(described + 1 if described else 0):
                connection._read_packet()

    def send(self, command: int, payload: bytes) -> None:
        self.connection._execute_command(command, payload)

    def execute(self, *values: Value, types: bool = True, flags: int = 0) -> int:
        """Gives how many rows came back at once. Without `types` those of the execution before hold."""
        assert len(values) == self.count
        nulls = bytearray((self.count + 7) // 8)
        for place, value in enumerate(values):
            if value.data is None:
                nulls[place // 8] |= 1 << place % 8
        payload = struct.pack("<IBI", self.id, flags, 1)
        if values:
            payload += bytes(nulls) + (b"\1" + b"".join(value.type for value in values) if types else b"\0")
            payload += b"".join(value.data or b"" for value in values)
        self.send(EXECUTE, payload)
        return self.answer(flags)

    def execute_bulk(self, *rows: tuple[Value, ...]) -> None:
        payload = struct.pack("<IH", self.id, BULK_TYPES) + b"".join(value.type for value in rows[0])
        for row in rows:
            payload += b"".join(b"\1" if value.data is None else b"\0" + value.data for value in row)
        self.send(BULK, payload)
        self.answer(0)

    def long_data(self, place: int, data: bytes) -> None:
        """Has no answer."""
        self.send(LONG_DATA, struct.pack("<IH", self.id, place) + data)

    def fetch(self, rows: int) -> int:
        self.send(FETCH, struct.pack("<II", self.id, rows))
        return self.rows()

    def reset(self) -> None:
        self.send(RESET, struct.pack("<I", self.id))
        self.connection._read_packet()

    def close(self) -> None:
        self.send(CLOSE, struct.pack("<I", self.id))

    def answer(self, flags: int) -> int:
        head = self.connection._read_packet()
        if head.is_ok_packet():
            return 0
        for _ in range(head.get_all_data()[0] + 1):
            self.connection._read_packet()
        return 0 if flags & CURSOR_READ_ONLY else self.rows()

    def rows(self) -> int:
        count = 0
        while not self.connection._read_packet().is_eof_packet():
            count += 1
        return count
