"""PostgreSQL's own regression scripts: what the server logged is in the trail, once, in order, with its SQLSTATE."""

import collections
import json
import os
import pathlib
import subprocess

import pytest

import conftest
import logs
import trail

# Where `packaging/setup regress` puts PostgreSQL's sources.
SUITE = trail.ROOT / "target/regress/postgresql/src/test/regress"
SCRIPT_DEADLINE_S = 300
# The whole suite has many more; fewer means that it was not run.
LEAST = 45_000


class Audited(conftest.PostgresUnderTest):
    """With pgaudit, which logs every class and every relation but those of the catalog."""

    def start(self) -> None:
        super().start()
        self.stop()
        with (self.data / "postgresql.conf").open("a") as conf:
            conf.write("shared_preload_libraries = 'pgaudit'\npgaudit.log = 'all'\n")
            conf.write("pgaudit.log_relation = on\npgaudit.log_catalog = off\n")
        self.launch(str(self.bin / "postgres"), "-D", str(self.data))


@pytest.fixture(scope="module")
def server(scratch):
    """A server of the suite's own: its scripts change roles, tablespaces and settings of the whole cluster."""
    with Audited(scratch / "regress", logs=True) as running:
        yield running


def make_database(server) -> None:
    """The suite's database, as pg_regress has it."""
    with server.connect(user="postgres", dbname="postgres") as admin:
        admin.execute("create database regression template template0 locale 'C'")
        for setting in ("lc_messages to 'C'", "lc_monetary to 'C'", "lc_numeric to 'C'", "lc_time to 'C'",
                        "bytea_output to 'hex'", "timezone_abbreviations to 'Default'"):  # fmt: skip
            admin.execute(f"alter database regression set {setting}")


def scripts() -> list[str]:
    """Names of the suite's scripts, in the order of its schedule."""
    lines = (SUITE / "parallel_schedule").read_text().splitlines()
    return [name for line in lines if line.startswith("test: ") for name in line.removeprefix("test: ").split()]


def run(server, name: str, folder: pathlib.Path) -> None:
    """Runs a script with psql as pg_regress does; that statements fail is part of it."""
    environment = os.environ | {
        "PGTZ": "PST8PDT", "PGDATESTYLE": "Postgres, MDY", "PG_ABS_SRCDIR": str(SUITE), "PG_ABS_BUILDDIR": str(folder),
        "PG_LIBDIR": str(folder), "PG_DLSUFFIX": ".so", "PGUSER": "postgres",
        "PGHOST": str(server.socket_dir), "PGPORT": str(server.port),
    }  # fmt: skip
    argv = [str(server.bin / "psql"), "-X", "-a", "-q", "-d", "regression", "-v", "HIDE_TABLEAM=on",
            "-v", "HIDE_TOAST_COMPRESSION=on", "-f", str(SUITE / f"sql/{name}.sql")]  # fmt: skip
    with (folder / f"{name}.out").open("wb") as out:
        done = subprocess.run(
            argv, env=environment, cwd=folder, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT,
            timeout=SCRIPT_DEADLINE_S, check=False,
        )  # fmt: skip
    # 2 is a lost connection, which `\connect` to what does not exist is.
    assert done.returncode in (0, 2, 3), name


@pytest.fixture(scope="module")
def recorded(server, scratch) -> dict[str, list[list[trail.Row]]]:
    """The whole suite, run once: the messages of each session, as the trail has them."""
    assert SUITE.is_dir(), "not run: no sources of PostgreSQL: packaging/setup regress"
    folder = scratch / "regress-files"
    (folder / "results").mkdir(parents=True)
    (folder / "testtablespace").mkdir()
    folder.chmod(0o777)
    with trail.Recorder(scratch / "regress-trail", "--max-query-bytes", "1MiB", str(server.pid)) as recorder:
        make_database(server)
        with server.connect(user="postgres", dbname="regression") as admin:
            admin.execute("create extension pgaudit")
        for name in scripts():
            run(server, name, folder)
        with server.connect(user="postgres", dbname="postgres") as last:
            conftest.PgSession(recorder.trail, last).rows()
        assert recorder.stop() == 0, recorder.stderr()
    rows = recorder.trail.rows("kind in ('query', 'loss')")
    assert [row for row in rows if row.kind == "loss"] == []
    sessions = collections.defaultdict(list)
    for row in rows:
        sessions[row.session_id].append(row)
    return {session: trail.messages(rows) for session, rows in sessions.items()}


def test_suite_equals_csvlog(server, recorded):
    compared = 0
    wrong = []
    logged = logs.postgres_sessions(server.csvlogs)
    for session, messages in logged.items():
        got = recorded.get(session, [])
        for place, (group, message) in enumerate(zip(got, messages, strict=False)):
            compared += 1
            text, code = trail.joined(group), group[-1].status_code
            if not trail.same_text(text, message.text) or code != message.code:
                wrong.append(f"{session}/{place}: {text[:300]} {code}, logged {message.text[:300]} {message.code}")
                break
        if len(got) != len(messages):
            wrong.append(f"{session}: {len(got)} messages, logged {len(messages)}")
    assert wrong == []
    assert set(recorded) <= set(logged), "sessions that the server does not know"
    assert compared >= LEAST


# Where our class is none of those that pgaudit has logged for a statement: what it logged, our class and the
# operation, and why. docs/pgaudit.md says the same in words.
EXPLAINED = {
    "what reads catalogs alone is not logged": lambda theirs, ours, _: not theirs and ours in ("READ", "WRITE"),
    "the end of a failed transaction is not logged": lambda theirs, ours, _: not theirs and ours == "MISC",
    "MISC_SET is a word of pgaudit's settings alone": lambda theirs, ours, _: (theirs, ours) == ({"MISC"}, "MISC_SET"),
    "EXPLAIN has the class of what is explained": lambda _, __, operation: operation == "EXPLAIN",
    "a MERGE that does nothing": lambda theirs, _, operation: (theirs, operation) == ({"READ"}, "MERGE"),
    "DROP OWNED revokes, too": lambda theirs, ours, operation: theirs == {"ROLE"} and operation == "DROP OWNED",
}  # fmt: skip


def test_classes_equal_pgaudit(server, recorded):
    agreed, differs = collections.Counter(), collections.Counter()
    unexplained = []
    for session, messages in logs.pgaudit_sessions(server.csvlogs).items():
        for group, audited in zip(recorded.get(session, []), messages, strict=True):
            # Of a text with several statements, pgaudit does not say whose its entries are.
            if len(group) != 1 or group[0].status != "ok":
                continue
            (row,) = group
            ours, theirs = row.columns["class"], {entry.class_ for entry in audited}
            if ours in theirs:
                agreed[ours] += 1
                continue
            operation = row.db_operation_name
            why = next((why for why, holds in EXPLAINED.items() if holds(theirs, ours, operation)), None)
            differs[why] += 1
            if why is None:
                unexplained.append((row.text[:200], ours, operation, theirs))
    assert unexplained == []
    assert set(agreed) == {"READ", "WRITE", "DDL", "MISC", "ROLE", "FUNCTION"}
    assert agreed.total() >= 30_000
    assert set(differs) == set(EXPLAINED), "an explanation that nothing needs"


# Statements of every class, as pgaudit's own tests have them.
WORKLOAD = """
create table account (id int primary key, name text, balance numeric default 0)
create table ledger (id serial, account int references account on delete cascade, amount numeric)
create view rich as select id, name from account where balance > 100
create materialized view totals as select account, sum(amount) as sum from ledger group by account
create table archive (id int, at date) partition by range (at)
create table archive_2025 partition of archive for values from ('2025-01-01') to ('2026-01-01')
create table archive_2026 partition of archive for values from ('2026-01-01') to ('2027-01-01')
create function post(a int, m numeric) returns void begin atomic insert into ledger (account, amount) values (a, m); end
create role auditor
grant select on account to auditor
insert into account values (1, 'anna', 500), (2, 'bert', 20)
select * from account
select name from rich
select a.name, l.amount from account a join ledger l on l.account = a.id
select post(1, 50)
do $$ begin perform post(2, 5); end $$
update account set balance = balance * 2 where id = 1
update rich set name = 'Anna' where id = 1
delete from ledger where amount < 10
with gone as (delete from ledger returning *) select count(*) from gone
insert into ledger (account, amount) select id, balance from account
insert into account values (1, 'again', 0) on conflict (id) do update set name = excluded.name
merge into account using (values (2, 7)) v (i, b) on id = i when matched then update set balance = b
insert into archive values (1, '2025-05-05'), (2, '2026-05-05')
select count(*) from archive
refresh materialized view totals
select * from totals
copy account to stdout
copy (select id from ledger) to stdout
select * from account where exists (select from ledger where account = account.id) for update
delete from account where id = 2
truncate ledger
table account
explain select * from account
explain analyze select * from account
prepare p as select * from account where id = $1
execute p(1)
set role auditor
reset role
set search_path = public
show search_path
begin
lock table account in share mode
commit
comment on table account is 'accounts'
alter table account add column note text
create index on account (name)
analyze account
vacuum account
create schema later create table inside (a int)
revoke select on account from auditor
alter role auditor nologin
drop function post
drop materialized view totals
drop view rich
drop table archive, ledger, account
drop schema later cascade
drop role auditor
""".strip().splitlines()

# Where the tables read and written are not those that pgaudit names: pgaudit's, then ours. The executor knows
# what a plan does: which partitions it reads, and that `truncate` writes. docs/pgaudit.md has the same in words.
TABLES = ("TABLE", "PARTITIONED TABLE", "MATERIALIZED VIEW")
PARTITIONS = {"public.archive_2025", "public.archive_2026"}
OTHERWISE = {
    "insert into archive values (1, '2025-05-05'), (2, '2026-05-05')": (
        (set(), {"public.archive"}), (set(), {"public.archive"} | PARTITIONS),
    ),
    "select count(*) from archive": (({"public.archive"}, set()), (PARTITIONS, set())),
    "truncate ledger": ((set(), set()), (set(), {"public.ledger"})),
}  # fmt: skip


def test_objects_equal_pgaudit(server, scratch):
    with trail.Recorder(scratch / "audited-trail", str(server.pid)) as recorder:
        with server.connect(user="postgres", dbname="postgres") as admin:
            admin.execute("create database audited template template0")
        with server.connect(user="postgres", dbname="audited") as connection:
            session = conftest.PgSession(recorder.trail, connection)
            for text in WORKLOAD:
                if text.startswith("copy "):
                    with connection.cursor().copy(text) as copied:
                        list(copied)
                else:
                    assert session.run(text) is None, text
            rows = session.rows()
        assert recorder.stop() == 0, recorder.stderr()
    assert [row.db_query_text for row in rows] == WORKLOAD
    session_id = rows[0].session_id
    messages = logs.postgres_sessions(server.csvlogs)[session_id]
    audited = logs.pgaudit_sessions(server.csvlogs)[session_id]
    found = {}
    for message, entries in zip(messages, audited, strict=True):
        found[message.text.decode()] = entries
    differs = {}
    for row in rows:
        tables = [entry for entry in found[row.db_query_text] if entry.object_type in TABLES]
        theirs = tuple({e.object_name for e in tables if e.class_ == class_} for class_ in ("READ", "WRITE"))
        objects = json.loads(row.objects or "[]")
        written = {table["name"] for table in objects if table.get("written")}
        # That what it changes is also read is of no interest to pgaudit.
        ours = ({table["name"] for table in objects if table.get("read")} - written, written)
        if theirs != ours:
            differs[row.db_query_text] = (theirs, ours)
    assert differs == OTHERWISE
