"""Bind values and touched tables, as the client sent them and the server's executor used them."""

import datetime
import decimal
import json
import uuid

import pytest

from conftest import PgSession


@pytest.fixture
def schema(pg, recorder):
    """Tables, a view, a trigger and a cascade in a schema of their own; the session has them on record."""
    with pg.connect() as connection:
        connection.execute("create schema if not exists details")
        connection.execute("set search_path = details")
        for text in (
            "drop table if exists child, parent, audit, parts cascade",
            "create table parent (id int primary key, name text)",
            "create table child (id int primary key, parent int references parent on delete cascade)",
            "create table audit (what text)",
            "create view named as select * from parent where name is not null",
            "create or replace function note() returns trigger language plpgsql as"
            " $$ begin insert into details.audit values (tg_op), (tg_table_name); return null; end $$",
            "create trigger noted after insert on parent for each row execute function note()",
            "create table parts (id int) partition by range (id)",
            "create table parts_1 partition of parts for values from (0) to (10)",
            "create table parts_2 partition of parts for values from (10) to (20)",
        ):
            connection.execute(text)
        yield PgSession(recorder.trail, connection)


def read(name: str) -> dict:
    return {"name": f"details.{name}", "read": True}


def written(name: str, inserted: int = 0, updated: int = 0, deleted: int = 0, *, reads: bool = False) -> dict:
    counts = {"written": True, "inserted": inserted, "updated": updated, "deleted": deleted}
    return {"name": f"details.{name}"} | ({"read": True} if reads else {}) | counts


def objects(row) -> list[dict] | None:
    return None if row.objects is None else json.loads(row.objects)


def test_tables_of_each_statement(schema):
    cases = [
        ("insert into parent select g, 'n' from generate_series(1, 3) g", [written("audit", 6), written("parent", 3)]),
        # The check of the reference reads the parent, by a query of the server's own.
        ("insert into child values (1, 1), (2, 1), (3, 2)",
         [written("child", 3), {"name": "details.parent", "read": True}]),
        ("select * from named", [read("parent")]),
        ("select 1", None),
        ("update parent set name = 'm' where id > 1", [written("parent", 0, 2, reads=True)]),
        ("delete from parent where id = 1",
         [written("child", 0, 0, 2, reads=True), written("parent", 0, 0, 1, reads=True)]),
        ("with gone as (delete from child returning *) select count(*) from gone",
         [written("child", 0, 0, 1, reads=True)]),
        ("insert into parts values (1), (11), (12)", [written("parts"), written("parts_1", 1), written("parts_2", 2)]),
        ("select * from parts where id = 11", [read("parts_2")]),
        ("do $$ begin insert into details.audit values ('x'); perform * from details.child; end $$",
         [written("audit", 1), read("child")]),
        ("truncate audit", [written("audit")]),
    ]  # fmt: skip
    for text, _ in cases:
        assert schema.run(text) is None
    told = [(row.db_query_text, objects(row)) for row in schema.rows()]
    assert told == [(text, tables if tables is None else sorted(tables, key=lambda table: table["name"]))
                    for text, tables in cases]  # fmt: skip


def test_tables_of_a_failure_stay_with_it(schema):
    schema.run("insert into parent values (7, 'seven')")
    schema.rows()
    assert schema.run("insert into parent values (8, 'eight'), (7, 'again')") is not None
    assert schema.run("select 2") is None
    failed, after = schema.rows()
    # What was tried is counted, also where it was undone.
    assert (failed.status_code, objects(failed)) == ("23505", [written("parent", 2)])
    assert objects(after) is None


def test_tables_of_cursors_that_are_read_in_turns(schema):
    """Each table is told with the statement that opened it, though both are open at once."""
    schema.run("insert into parent values (20, 'a'), (21, 'b')")
    schema.run("insert into child values (20, 20), (21, 21)")
    schema.rows()
    connection = schema.connection
    with connection.transaction(), connection.cursor("one") as one, connection.cursor("two") as two:
        one.execute("select id from parent where id >= 20")
        two.execute("select id from child where id >= 20")
        assert [one.fetchone(), two.fetchone()] == [(20,), (20,)]
    told = {row.db_query_text: objects(row) for row in schema.rows()}
    declared = [(text, tables) for text, tables in told.items() if "declare" in text.lower()]
    assert [tables for _, tables in declared] == [[read("parent")], [read("child")]]


def test_bind_values(schema):
    moment = datetime.datetime(2026, 1, 2, 3, 4, 5, 600_000, tzinfo=datetime.UTC)
    cases = [
        ("int8", 2**40, 2**40), ("int4", -7, -7), ("int2", 7, 7), ("text", "zoë 🦀", "zoë 🦀"), ("text", "", ""),
        ("text", None, None), ("bool", True, True), ("float8", 1.25, 1.25), ("float4", 0.1, 0.1),
        ("numeric", decimal.Decimal("-12345.6789"), "-12345.6789"),
        ("numeric", decimal.Decimal("1e20"), "1" + "0" * 20),
        ("numeric", decimal.Decimal("0.00012"), "0.00012"), ("numeric", decimal.Decimal("NaN"), "NaN"),
        ("date", datetime.date(1999, 12, 31), "1999-12-31"), ("time", datetime.time(12, 34, 56), "12:34:56"),
        ("timestamptz", moment, "2026-01-02 03:04:05.6+00"),
        ("timestamp", moment.replace(tzinfo=None), "2026-01-02 03:04:05.6"),
        ("uuid", uuid.UUID(int=5), "00000000-0000-0000-0000-000000000005"),
        ("bytea", b"\x00\xff", {"type": "bytea", "hex": "00ff"}),
        ("int[]", [1, 2, 3], [1, 2, 3]), ("text[]", ["a", "b'c"], ["a", "b'c"]), ("int[]", [], []),
        ("text", "x" * 5000, {"text": "x" * 1024, "bytes": 5000}),
        ("json", '{"a": 1}', '{"a": 1}'),
    ]  # fmt: skip
    text = "select " + ", ".join(f"%s::{kind}" for kind, _, _ in cases)
    schema.connection.execute(text, [value for _, value, _ in cases])
    (row,) = schema.rows()
    assert row.command == "execute"
    assert json.loads(row.parameters) == [shown for _, _, shown in cases]


def test_bind_values_of_every_execution(schema):
    with schema.connection.cursor() as cursor:
        cursor.executemany("insert into audit values (%s)", [(f"row {number}",) for number in range(5)])
    with schema.connection.pipeline():
        for number in range(3):
            schema.connection.execute("select %s::int4", (number,), prepare=True)
    rows = [row for row in schema.rows() if row.command == "execute"]
    assert [json.loads(row.parameters) for row in rows if row.db_operation_name == "INSERT"] == [
        [f"row {number}"] for number in range(5)
    ]
    assert [json.loads(row.parameters) for row in rows if row.db_operation_name == "SELECT"] == [[0], [1], [2]]


def test_secrets_among_bind_values(schema):
    schema.connection.execute("select 1 where %s::text = 'x' or 'p' = (select %s::text as password)", ("a", "b"))
    schema.connection.execute("select set_config('app.password', %s, false)", ("hidden-secret-zq",))
    for row in schema.rows():
        assert "hidden-secret-zq" not in str(row)
