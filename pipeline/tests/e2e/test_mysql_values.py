"""Bind values on MariaDB: every type of the protocol, in every way that a client can send them."""

import json
import struct

import binary
import pymysql
import pytest
from binary import Prepared, Value, string
from pymysql.constants import CLIENT

from conftest import PASSWORD, MySession

VALUES = [
    (Value(binary.TINY, b"\x80"), -128),
    (Value(binary.TINY, b"\xff", unsigned=True), 255),
    (Value(binary.SHORT, struct.pack("<h", -32768)), -32768),
    (Value(binary.SHORT, b"\xff\xff", unsigned=True), 65535),
    (Value(binary.INT24, struct.pack("<i", -8388608)), -8388608),
    (Value(binary.LONG, struct.pack("<i", -(2**31))), -(2**31)),
    (Value(binary.LONG, struct.pack("<I", 2**32 - 1), unsigned=True), 2**32 - 1),
    (Value(binary.LONGLONG, struct.pack("<q", -(2**63))), -(2**63)),
    (Value(binary.LONGLONG, struct.pack("<Q", 2**64 - 1), unsigned=True), 2**64 - 1),
    (Value(binary.YEAR, struct.pack("<h", 2026)), 2026),
    (Value(binary.FLOAT, struct.pack("<f", 0.1)), 0.1),
    (Value(binary.FLOAT, struct.pack("<f", -1.5e30)), -1.5e30),
    (Value(binary.DOUBLE, struct.pack("<d", 0.1)), 0.1),
    (Value(binary.DOUBLE, struct.pack("<d", -1.5e300)), -1.5e300),
    (Value(binary.NULL, None), None),
    (Value(binary.LONG, None), None),
    (string(b"-12345678901234567890.123456789", binary.NEWDECIMAL), "-12345678901234567890.123456789"),
    (Value(binary.DATE, b"\4" + struct.pack("<HBB", 1999, 12, 31)), "1999-12-31"),
    (Value(binary.DATE, b"\0"), "0000-00-00"),
    (Value(binary.DATETIME, b"\4" + struct.pack("<HBB", 1999, 12, 31)), "1999-12-31 00:00:00"),
    (Value(binary.DATETIME, b"\7" + struct.pack("<HBBBBB", 2026, 1, 2, 3, 4, 5)), "2026-01-02 03:04:05"),
    (Value(binary.TIMESTAMP, b"\x0b" + struct.pack("<HBBBBBI", 2026, 1, 2, 3, 4, 5, 60)), "2026-01-02 03:04:05.000060"),
    (Value(binary.TIME, b"\0"), "00:00:00"),
    (Value(binary.TIME, b"\x08" + struct.pack("<BIBBB", 0, 0, 12, 34, 56)), "12:34:56"),
    (Value(binary.TIME, b"\x0c" + struct.pack("<BIBBBI", 1, 2, 1, 11, 12, 13)), "-49:11:12.000013"),
    (string(b"\0\xff'\n", binary.BLOB), {"type": "blob", "hex": "00ff270a"}),
    (string(b"", binary.BLOB), {"type": "blob", "hex": ""}),
    (string(b""), ""),
    (string("zoë 🦀".encode(), binary.VAR_STRING), "zoë 🦀"),
    # In latin1, which no JSON can hold.
    (string(b"zo\xeb", binary.VARCHAR), {"type": "string", "hex": "7a6feb"}),
    (string(b"x" * 251), "x" * 251),
    (string(b"y" * 5000), {"text": "y" * 1024, "bytes": 5000}),
    (string(b"z"), "z"),
]  # fmt: skip


@pytest.fixture
def session(recorder, my):
    with my.connect() as connection, connection.cursor() as cursor:
        cursor.execute("create or replace table bound (a int, b longblob)")
        yield MySession(recorder.trail, my, connection)


def shown(row) -> tuple:
    return row.command, row.db_query_text, row.status_code, row.parameters and json.loads(row.parameters)


@pytest.mark.parametrize(("value", "expected"), VALUES, ids=lambda value: None)
def test_each_type(session, value, expected):
    """The value between two others: where one is misread, so is what follows."""
    text = "select ?, ?, ?"
    prepared = Prepared(session.connection, text)
    around = Value(binary.SHORT, struct.pack("<h", 7))
    assert prepared.execute(around, value, around) == 1
    (row,) = [row for row in session.rows() if row.command == "COM_STMT_EXECUTE"]
    assert (*shown(row), row.rows_returned) == ("COM_STMT_EXECUTE", text, None, [7, expected, 7], 1)


def test_all_types_at_once(session):
    # What a packet holds beyond what is recorded of it is left to a test of its own.
    values = [(value, expected) for value, expected in VALUES if len(value.data or b"") < 1000]
    text = "select " + ", ".join("?" * len(values))
    prepared = Prepared(session.connection, text)
    sent = [value for value, _ in values]
    assert [prepared.execute(*sent), prepared.execute(*sent, types=False)] == [1, 1]
    rows = [row for row in session.rows() if row.command == "COM_STMT_EXECUTE"]
    expected = ("COM_STMT_EXECUTE", text, None, [expected for _, expected in values])
    assert [shown(row) for row in rows] == [expected] * 2


def test_values_sent_ahead(session):
    text = "insert into bound values (?, ?)"
    prepared = Prepared(session.connection, text)
    number, blob = Value(binary.TINY, b"\1"), Value(binary.BLOB, b"")
    prepared.long_data(1, b"\1\2")
    prepared.long_data(1, b"\3")
    prepared.execute(number, blob)
    # They are used up.
    prepared.execute(number, string(b"\4", binary.BLOB))
    prepared.long_data(1, b"q" * 900)
    prepared.long_data(1, b"r" * 900)
    prepared.execute(number, blob)
    # What is reset is not used.
    prepared.long_data(1, b"never")
    prepared.reset()
    prepared.execute(number, string(b"\5", binary.BLOB))
    rows = [row for row in session.rows() if row.command == "COM_STMT_EXECUTE"]
    cut = {"type": "blob", "hex": (b"q" * 900 + b"r" * 124).hex(), "bytes": 1800}
    assert [(*shown(row), row.rows_affected) for row in rows] == [
        ("COM_STMT_EXECUTE", text, None, [1, second], 1)
        for second in (
            {"type": "blob", "hex": "010203"}, {"type": "blob", "hex": "04"}, cut, {"type": "blob", "hex": "05"},
        )
    ]  # fmt: skip
    with session.connection.cursor() as cursor:
        cursor.execute("select b from bound")
        assert [data for (data,) in cursor] == [b"\1\2\3", b"\4", b"q" * 900 + b"r" * 900, b"\5"]


def test_statements_in_turns(session):
    """Each keeps its own text and types, also when its number is the higher one."""
    one = Prepared(session.connection, "select 1, ?")
    two = Prepared(session.connection, "select 2, ?")
    one.execute(Value(binary.TINY, b"\1"))
    two.execute(string(b"b"))
    one.execute(Value(binary.TINY, b"\2"), types=False)
    one.close()
    two.execute(string(b"c"), types=False)
    rows = [row for row in session.rows() if row.command == "COM_STMT_EXECUTE"]
    assert [shown(row)[1:] for row in rows] == [
        ("select 1, ?", None, [1]), ("select 2, ?", None, ["b"]), ("select 1, ?", None, [2]),
        ("select 2, ?", None, ["c"]),
    ]  # fmt: skip


def test_execution_that_fails(session):
    prepared = Prepared(session.connection, "select ? + (select 1 union select 2)")
    with pytest.raises(pymysql.err.OperationalError):
        prepared.execute(Value(binary.TINY, b"\1"))
    with pytest.raises(pymysql.err.MySQLError):
        Prepared(session.connection, "select nope ?")
    rows = session.rows()
    assert [shown(row) for row in rows if row.status == "error"] == [
        ("COM_STMT_EXECUTE", "select ? + (select 1 union select 2)", "1242", [1]),
        ("COM_STMT_PREPARE", "select nope ?", "1064", None),
    ]


def test_cursor_read_in_parts(session):
    session.run("insert into bound (a) select seq from seq_1_to_5")
    session.rows()
    prepared = Prepared(session.connection, "select a from bound where a > ?")
    assert prepared.execute(Value(binary.TINY, b"\0"), flags=binary.CURSOR_READ_ONLY) == 0
    assert [prepared.fetch(2), prepared.fetch(2), prepared.fetch(2)] == [2, 2, 1]
    prepared.close()
    # Fetching is no statement. How many rows came of it is not told.
    (row,) = session.rows()
    assert (*shown(row), row.rows_returned) == (
        "COM_STMT_EXECUTE", "select a from bound where a > ?", None, [0], None,
    )  # fmt: skip


def test_bulk_execution(recorder, my, session):
    connection = binary.BulkConnection(
        unix_socket=str(my.socket), user="bob", password=PASSWORD, database="shop", autocommit=True,
        client_flag=CLIENT.MULTI_STATEMENTS,
    )  # fmt: skip
    with connection:
        bulk = MySession(recorder.trail, my, connection)
        text = "insert into bound values (?, ?)"
        prepared = Prepared(connection, text)
        prepared.execute_bulk(
            (Value(binary.TINY, b"\1"), string(b"one")),
            (Value(binary.TINY, None), string(b"two's")),
            (Value(binary.TINY, b"\3"), Value(binary.STRING, None)),
        )
        (row,) = [row for row in bulk.rows() if row.command == "COM_STMT_BULK_EXECUTE"]
    assert (*shown(row), row.rows_affected) == (
        "COM_STMT_BULK_EXECUTE", text, None, [[1, "one"], [None, "two's"], [3, None]], 3,
    )  # fmt: skip
    assert json.loads(row.objects) == [
        {"name": "shop.bound", "written": True, "inserted": 3, "updated": 0, "deleted": 0}
    ]
