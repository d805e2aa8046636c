"""Classes and tables on a workload of all classes equal pgaudit's session log, but for what is listed here.

A difference that is not listed fails, and so does a listed one that is not there. docs/pgaudit.md has the
same in words.
"""

import json
import pathlib

import compare
import pytest
from bodies import script
from bodies.postgres import UPLOADED

import conftest
import logs
import trail

BODY = pathlib.Path(__file__).with_name("bodies") / "classes.sql"
TABLES = ("TABLE", "PARTITIONED TABLE", "MATERIALIZED VIEW")
CATALOGS = ("pg_catalog.", "information_schema.")


@pytest.fixture(scope="module")
def server(scratch):
    with conftest.AuditedPostgres(scratch / "pgaudit", logs=True) as running:
        yield running


@pytest.fixture(scope="module", params=["on", "off"])
def setting(request) -> str:
    """Of `pgaudit.log_catalog`."""
    return request.param


@pytest.fixture(scope="module")
def audited(setting, server, scratch) -> list[tuple[trail.Row, list[logs.Audited]]]:
    """Each statement's row and what pgaudit logged of it."""
    with trail.Recorder(scratch / f"pgaudit-{setting}", str(server.pid)) as recorder:
        with server.connect(user="postgres", dbname="postgres") as admin:
            admin.execute(f"create database audited_{setting} template template0")
        options = f"-c pgaudit.log_catalog={setting}"
        with server.connect(user="postgres", dbname=f"audited_{setting}", options=options) as connection:
            session = conftest.PgSession(recorder.trail, connection)
            for step in script.read(BODY)[1:]:
                error = run(session, step)
                assert (error and error.sqlstate) == step.code, step
            groups = trail.messages(session.rows())
        assert recorder.stop() == 0, recorder.stderr()
    logged = logs.audited_sessions(server.csvlogs)[groups[0][0].session_id]
    # What the fences sent is around it.
    logged = logged[1:-1]
    assert [compare.postgres(group, message) for group, (message, _) in zip(groups, logged, strict=True)] == (
        [None] * len(groups)
    )
    return [(group[-1], entries) for group, (_, entries) in zip(groups, logged, strict=True)]


def run(session: conftest.PgSession, step: script.Step):
    (text,) = step.text
    if step.how == "query":
        return session.run(text)
    try:
        with session.connection.cursor().copy(text) as copy:
            if step.how == "copy in":
                copy.write(UPLOADED)
            else:
                list(copy)
    except conftest.psycopg.Error as error:
        return error
    return None


def ours(row: trail.Row) -> str:
    return row.columns["class"]


INSIDE = "what it reads, writes and calls has entries of its own"
EXPLAIN = "EXPLAIN has MISC and the class of what is explained"
SET_ROLE = "MISC_SET is a word of pgaudit's settings alone"
MERGE = "a MERGE that does nothing writes"
FAILS = "what fails before it runs is not logged"
ENDS = "the end of a failed transaction is not logged"
CATALOG = "what reads catalogs alone is not logged"

# Why the classes that pgaudit has of a statement are not the one that its row has.
WHY = {
    SET_ROLE: lambda theirs, row: theirs == {"MISC"} and ours(row) == "MISC_SET",
    EXPLAIN: lambda theirs, row: row.db_operation_name == "EXPLAIN",
    INSIDE: lambda theirs, row: ours(row) in theirs,
    FAILS: lambda theirs, row: not theirs and row.status == "error",
    ENDS: lambda theirs, row: not theirs and ours(row) == "MISC",
    CATALOG: lambda theirs, row: not theirs and ours(row) == "READ",
    MERGE: lambda theirs, row: theirs == {"READ"} and row.db_operation_name == "MERGE",
}
# Where that is so, and what pgaudit has there besides the row's own class, or in place of it.
DIFFERS = {
    INSIDE: {
        "READ": """
            create materialized view totals as select account, sum(amount) as sum from ledger group by account
            create table made as select * from account
            select * into made_too from account
            insert into ledger (account, amount) select id, balance from account
            insert into account values (1, 'again', 0) on conflict (id) do update set name = excluded.name
            insert into quick select * from mine
            update account a set balance = l.amount from ledger l where l.account = a.id and a.id = 2
            update account set name = (select max(name) from alike) where id = 3
            delete from ledger using account where ledger.account = account.id and account.id = 4
            with n as (insert into account values (7, '', 7) returning id) insert into ledger (account) select id from n
            merge into account a using alike s on a.id = s.id when not matched then insert values (s.id)
            execute p (1)
        """,
        "WRITE": """
            do $$ begin insert into account values (50, 'do', 0); end $$
            execute w (1)
        """,
        "MISC": """
            update archive set id = id + 10 where at > '2026-01-01'
            update archive set at = '2025-12-12' where id = 12
            update above set a = a + 1
            delete from archive
            delete from quick
            select name from rich
            select count(*) from archive
            select count(*) from archive where at > '2026-01-01'
            select * from above
            select count(*) from information_schema.tables
        """,
        "FUNCTION": """
            select twice(4), count_of()
            select many_of(id) from account
            select count_of() from account limit 1
        """,
        "FUNCTION WRITE": "select post(1, 50)",
        "MISC READ": "refresh materialized view totals",
        "MISC WRITE": "call settle(1)",
        "READ WRITE": "do $$ begin perform post(2, 5); end $$",
    },
    EXPLAIN: {
        "MISC": """
            explain select * from account
            explain analyze select * from account
        """,
        "MISC WRITE": "explain insert into account values (99, 'x', 0)",
    },
    SET_ROLE: {
        "MISC": """
            set role auditor
            reset role
            set session authorization auditor
            reset session authorization
        """
    },
    MERGE: {
        "READ": "merge into account using (values (2, 7)) v (i, b) on id = i when matched then do nothing",
    },
    FAILS: {
        "": """
            refresh materialized view concurrently totals
            security label for nobody on table account is 'x'
            select * from nothing
            update account set balance = 1 / 0
            delete from nothing
            drop table nothing
            selec 1
            select nope from account
            select 1 / 0
            select 1
        """
    },
    ENDS: {"": "rollback"},
    CATALOG: {"": "select relname from pg_class where relname = 'account'"},
}  # fmt: skip


def test_classes_equal_pgaudit(audited, setting):
    agreed = set()
    found: dict[str | None, dict[str, list[str]]] = {}
    for row, entries in audited:
        theirs = {entry.class_ for entry in entries}
        if theirs == {ours(row)}:
            agreed.add(ours(row))
        else:
            why = next((why for why, holds in WHY.items() if holds(theirs, row)), None)
            besides = " ".join(sorted(theirs - {ours(row)}))
            found.setdefault(why, {}).setdefault(besides, []).append(row.db_query_text)
    differs = {
        why: {besides: [line.strip() for line in texts.strip().splitlines()] for besides, texts in groups.items()}
        for why, groups in DIFFERS.items()
        if setting == "off" or why != CATALOG
    }
    assert found == differs
    assert agreed == {"READ", "WRITE", "DDL", "ROLE", "FUNCTION", "MISC"}


# Tables that pgaudit has read and written, and those that the trail has. The executor knows what a plan does:
# which partitions and children it comes to, and that `truncate` and each `merge` may write.
ARCHIVE, PARTITIONS = {"public.archive"}, {"public.archive_2025", "public.archive_2026"}
ABOVE, BELOW, ACCOUNT = {"public.above"}, {"public.below"}, {"public.account"}
OTHERWISE = {
    "insert into archive values (1, '2025-05-05'), (2, '2026-05-05')": (
        (set(), ARCHIVE), (set(), ARCHIVE | PARTITIONS),
    ),
    "update archive set id = id + 10 where at > '2026-01-01'": (
        (set(), ARCHIVE), (set(), ARCHIVE | {"public.archive_2026"}),
    ),
    "update archive set at = '2025-12-12' where id = 12": ((set(), ARCHIVE), (set(), ARCHIVE | PARTITIONS)),
    "delete from archive": ((set(), ARCHIVE), (set(), ARCHIVE | PARTITIONS)),
    "select count(*) from archive": ((ARCHIVE, set()), (PARTITIONS, set())),
    "select count(*) from archive where at > '2026-01-01'": ((ARCHIVE, set()), ({"public.archive_2026"}, set())),
    "update above set a = a + 1": ((set(), ABOVE), (set(), ABOVE | BELOW)),
    "select * from above": ((ABOVE, set()), (ABOVE | BELOW, set())),
    "truncate alike": ((set(), set()), (set(), {"public.alike"})),
    "truncate ledger, quick restart identity": ((set(), set()), (set(), {"public.ledger", "public.quick"})),
    "merge into account using (values (2, 7)) v (i, b) on id = i when matched then do nothing": (
        (ACCOUNT, set()), (set(), ACCOUNT),
    ),
}  # fmt: skip


def test_objects_equal_pgaudit(audited):
    """Catalogs are not in `objects`; what a statement changes it also reads, which is of no interest here."""
    differs = {}
    for row, entries in audited:
        tables = [entry for entry in entries if entry.object_type in TABLES]
        tables = [entry for entry in tables if not entry.object_name.startswith(CATALOGS)]
        read, written = ({e.object_name for e in tables if e.class_ == class_} for class_ in ("READ", "WRITE"))
        objects = json.loads(row.objects or "[]")
        told = {table["name"] for table in objects if table.get("written")}
        theirs = (read - written, written)
        mine = ({table["name"] for table in objects if table.get("read")} - told, told)
        if theirs != mine:
            differs[row.db_query_text] = (theirs, mine)
    assert differs == OTHERWISE
