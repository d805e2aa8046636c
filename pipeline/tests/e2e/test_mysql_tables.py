"""The tables that each statement touches on MariaDB, and how many rows of each it changed."""

import json
import re
import subprocess

import pytest

import servers
import trail
from conftest import MariaDBUnderTest, MySession

TABLES = """
create table parent (id int primary key, name varchar(20));
create table child (id int primary key, parent int, foreign key (parent) references parent (id) on delete cascade);
create table audit (id int auto_increment primary key, what varchar(40));
create view named as select * from parent where name is not null;
create trigger noted after insert on parent for each row insert into audit (what) values (new.name);
create table parts (id int primary key, v int) partition by range (id)
  (partition p0 values less than (10), partition p1 values less than (20), partition p2 values less than (30));
create table src (id int primary key, v int);
create table uniq (id int primary key, k int unique, v int default 0);
create table plain (id int primary key) engine=MyISAM;
create function counted() returns int reads sql data return (select count(*) from src);
create function noted() returns int modifies sql data
  begin insert into audit (what) values ('f'); return 1; end;
create procedure several() begin
  insert into audit (what) values ('p'); update src set v = v + 1; select * from uniq; end;
"""


def read(name: str) -> dict:
    return {"name": f"shop.{name}", "read": True}


def written(name: str, inserted: int = 0, updated: int = 0, deleted: int = 0, *, reads: bool = False) -> dict:
    counts = {"written": True, "inserted": inserted, "updated": updated, "deleted": deleted}
    return {"name": f"shop.{name}"} | ({"read": True} if reads else {}) | counts


def objects(row: trail.Row) -> list[dict] | None:
    return None if row.objects is None else json.loads(row.objects)


class Logged(MariaDBUnderTest):
    """Says itself which rows it changed."""

    extra = ("--log-bin=bin", "--binlog-format=ROW", "--server-id=1", "--log-bin-trust-function-creators=1")

    def changes(self) -> dict[str, tuple[int, int, int]]:
        """Rows inserted, updated and deleted in each table, since the binary log began."""
        files = sorted(map(str, self.data.glob("bin.0*")))
        argv = [servers.find_program("mariadb-binlog", "mariadb-client"), "--no-defaults", "-v", *files]
        text = subprocess.run(argv, check=True, capture_output=True, text=True).stdout
        counts: dict[str, list[int]] = {}
        for what, table in re.findall(r"^### (INSERT INTO|UPDATE|DELETE FROM) (\S+)", text, re.MULTILINE):
            place = ("INSERT INTO", "UPDATE", "DELETE FROM").index(what)
            counts.setdefault(table.replace("`", ""), [0, 0, 0])[place] += 1
        return {table: tuple(three) for table, three in counts.items()}


@pytest.fixture(scope="module")
def logged(scratch):
    with Logged(scratch / "logged") as server:
        server.make_accounts()
        yield server


@pytest.fixture(scope="module")
def own_recorder(scratch, logged):
    with trail.Recorder(scratch / "tables", str(logged.pid)) as recorder:
        yield recorder


@pytest.fixture
def tables(own_recorder, logged):
    with logged.connect(user="root", password="") as admin, admin.cursor() as cursor:
        cursor.execute("drop database shop")
        cursor.execute("create database shop")
        cursor.execute("use shop")
        for text in re.split(r";\n(?=create|$)", TABLES.strip() + "\n"):
            if text:
                cursor.execute(text)
        cursor.execute("reset master")
        yield MySession(own_recorder.trail, logged, admin)


CASES = [
    ("insert into src values (1, 1), (2, 2), (3, 3), (4, 4)", 4, [written("src", 4)]),
    ("insert into parent select id, 'n' from src", 4, [written("audit", 4), written("parent", 4), read("src")]),
    ("insert into child values (1, 1), (2, 1), (3, 2)", 3, [written("child", 3)]),
    ("select * from named", None, [read("parent")]),
    ("select 1", None, None),
    ("update parent set name = 'm' where id > 1", 3, [written("parent", 0, 3)]),
    # What is the same already is not changed.
    ("update parent set name = 'm' where id > 0", 1, [written("parent", 0, 1)]),
    ("insert into named values (200, 'v')", 1, [written("audit", 1), written("parent", 1)]),
    ("delete from parent where id = 200", 1, [written("child"), written("parent", 0, 0, 1)]),
    ("insert into parts values (1, 1), (11, 1), (12, 1)", 3, [written("parts", 3)]),
    # From one partition into another.
    ("update parts set id = 21 where id = 11", 1, [written("parts", 0, 1)]),
    ("update parts set v = 5", 3, [written("parts", 0, 3)]),
    ("select * from parts where id = 12", None, [read("parts")]),
    ("delete from parts where id > 11", 2, [written("parts", 0, 0, 2)]),
    ("replace into uniq values (1, 1, 1), (2, 2, 2)", 2, [written("uniq", 2)]),
    # The first of its key, the second of the other: the server updates in place where it can.
    ("replace into uniq values (1, 1, 5), (3, 2, 2), (4, 4, 4)", 5, [written("uniq", 2, 1, 1)]),
    ("insert into uniq values (1, 9, 1) on duplicate key update v = v + 1", 2, [written("uniq", 0, 1)]),
    ("insert into uniq values (1, 9, 1), (7, 7, 7) on duplicate key update v = v", 1, [written("uniq", 1)]),
    ("insert ignore into uniq values (1, 9, 1), (8, 8, 8)", 1, [written("uniq", 1)]),
    ("update uniq join src on uniq.id = src.id set uniq.v = 9, src.v = 10", 6,
     [written("src", 0, 3), written("uniq", 0, 3)]),
    ("delete uniq, src from uniq join src on uniq.id = src.id where uniq.id < 3", 2,
     [written("src", 0, 0, 1), written("uniq", 0, 0, 1)]),
    ("with x as (select * from src) select * from x a join x b on a.id = b.id", None, [read("src")]),
    ("create temporary table tmp as select * from src", 3, [read("src"), written("tmp", 3)]),
    ("update tmp set v = 1", 3, [written("tmp", 0, 3)]),
    ("delete from tmp", 3, [written("tmp", 0, 0, 3)]),
    ("drop temporary table tmp", 0, None),
    ("create table made as select * from src", 3, [written("made", 3), read("src")]),
    # The copy has the table's name.
    ("alter table made add column z int, algorithm=copy", 3, [written("made", 3, reads=True)]),
    ("truncate made", 0, [written("made")]),
    ("drop table made", 0, None),
    ("select count(*) from information_schema.tables where table_schema = 'shop'", None, None),
    ("lock tables src write, uniq read", 0, [written("src"), read("uniq")]),
    ("insert into src values (50, 1)", 1, [written("src", 1)]),
    ("update src set v = 2 where id = 50", 1, [written("src", 0, 1)]),
    ("unlock tables", 0, None),
    ("select counted()", None, [read("src")]),
    ("set @one = noted()", 0, [written("audit", 1)]),
    ("call several()", 5, [written("audit", 1), written("src", 0, 4), read("uniq")]),
    ("prepare s from 'insert into audit (what) values (?)'", 0, None),
    ("execute s using @one", 1, [written("audit", 1)]),
    ("execute immediate 'insert into audit (what) values (''i'')'", 1, [written("audit", 1)]),
    ("select distinct v from src order by rand()", None, [read("src")]),
    ("start transaction", 0, None),
    ("insert into audit (what) values ('undone')", 1, [written("audit", 1)]),
    ("rollback", 0, None),
    ("delete from audit order by id limit 2", 2, [written("audit", 0, 0, 2)]),
    ("select * from parent where exists (select 1 from child where child.parent = parent.id)", None,
     [read("child"), read("parent")]),
    ("delete from src", 4, [written("src", 0, 0, 4)]),
]  # fmt: skip


def test_tables_of_each_statement(tables):
    """Each with the rows that the server says it changed."""
    said = []
    for text, _, _ in CASES:
        with tables.connection.cursor() as cursor:
            cursor.execute(text)
            while cursor.nextset():
                pass
            said.append(cursor.rowcount if cursor.description is None else None)
    rows = tables.rows()
    assert [(row.db_query_text, row.rows_affected, objects(row), row.status) for row in rows] == [
        (*case, "ok") for case in CASES
    ]
    assert [affected for _, affected, _ in CASES] == said


def test_counts_are_those_of_the_binary_log(tables, logged):
    """Over what is neither undone nor temporary nor made by copying, which no binary log has."""
    left_out = re.compile(r"temporary|\btmp\b|made|undone|^start|^rollback")
    for text, _, _ in CASES:
        if not left_out.search(text):
            assert tables.run(text) is None, text
    counts: dict[str, list[int]] = {}
    for row in tables.rows():
        for table in objects(row) or []:
            three = counts.setdefault(table["name"], [0, 0, 0])
            for place, what in enumerate(("inserted", "updated", "deleted")):
                three[place] += table.get(what, 0)
    logged_counts = logged.changes()
    assert logged_counts
    assert {name: tuple(three) for name, three in counts.items() if any(three)} == logged_counts


def test_what_failed_midway_counts_what_it_tried(tables):
    for engine, left in (("uniq", 0), ("plain", 2)):
        columns = "id, k" if engine == "uniq" else "id"
        values = "(20, 20), (21, 21), (20, 99), (22, 22)" if engine == "uniq" else "(20), (21), (20), (22)"
        text = f"insert into {engine} ({columns}) values {values}"
        assert tables.run(text) is not None
        (row,) = tables.rows()
        assert (row.db_query_text, row.status_code, objects(row)) == (text, "1062", [written(engine, 2)])
        with tables.connection.cursor() as cursor:
            cursor.execute(f"select count(*) from {engine}")
            assert cursor.fetchone() == (left,)
        tables.rows()


def test_pieces_have_tables_of_their_own(tables):
    text = "insert into audit (what) values ('a');update src set v = 0;insert into nope values (1);select 3"
    assert tables.run(text) is not None
    assert [(row.db_query_text, row.status_code, row.rows_affected, objects(row)) for row in tables.rows()] == [
        ("insert into audit (what) values ('a');", None, 1, [written("audit", 1)]),
        ("update src set v = 0;", None, 0, [written("src")]),
        ("insert into nope values (1);select 3", "1146", None, None),
    ]


def test_rows_that_a_cascade_deletes_are_named_but_not_counted(tables):
    """The engine deletes them by itself: the README says so."""
    tables.run("insert into parent values (1, 'p')")
    tables.run("insert into child values (1, 1), (2, 1)")
    tables.rows()
    tables.run("delete from parent where id = 1")
    (row,) = tables.rows()
    assert objects(row) == [written("child"), written("parent", 0, 0, 1)]
    with tables.connection.cursor() as cursor:
        cursor.execute("select count(*) from child")
        assert cursor.fetchone() == (0,)


def test_loaded_rows(tables, logged):
    path = logged.root / "rows.txt"
    path.write_text("".join(f"{number}\t{number}\n" for number in range(500)))
    path.chmod(0o644)
    text = f"load data infile '{path}' into table src"
    assert tables.run(text) is None
    (row,) = tables.rows()
    assert (row.db_query_text, row.rows_affected, objects(row)) == (text, 500, [written("src", 500)])


def test_more_tables_than_are_kept_at_once(tables):
    names = [f"many_{number:02}" for number in range(40)]
    for name in names:
        tables.run(f"create table {name} (id int)")
    tables.rows()
    tables.run("select 1 from " + ", ".join(names))
    (row,) = tables.rows()
    assert objects(row) == [read(name) for name in names]
