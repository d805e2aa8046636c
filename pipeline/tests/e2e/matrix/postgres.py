"""Situations of PostgreSQL."""

from __future__ import annotations

import asyncio

import asyncpg
import psycopg
from psycopg import pq

from matrix.play import Book, Stage

from conftest import PASSWORD

BOOK = Book()
situation = BOOK.situation

SCHEMA = """
create table item (id int primary key, name text, price int check (price >= 0));
insert into item select n, 'item ' || n, n * 10 from generate_series(1, 5) n;
create view cheap as select id, name, price from item where price < 30;
create table parent (id int primary key);
create table child (id int primary key, parent int references parent on delete cascade);
create table measure (day int, value int) partition by range (day);
create table measure_low partition of measure for values from (0) to (10);
create table measure_high partition of measure for values from (10) to (20);
create table noted (what text);
create function note() returns trigger language plpgsql as
    $$ begin insert into noted values (tg_op); return coalesce(new, old); end $$;
create table watched (id int);
create trigger watch after insert or update or delete on watched for each row execute function note();
create function total() returns bigint language sql stable as 'select sum(price) from item';
create function add_notes(n int) returns int language plpgsql as
    $$ begin for i in 1..n loop insert into noted values (i::text); end loop; return n; end $$;
create procedure add_note(what text) language plpgsql as $$ begin insert into noted values (what); end $$;
create table target (id int primary key, v int);
"""

SUPERUSER = "create role reader; grant reader to alice; create role operator superuser login;"


def prepare(server) -> None:
    """Before the recorder comes."""
    server.make_accounts()
    with server.connect(user="postgres") as admin:
        admin.execute(SUPERUSER)
        admin.execute("grant create on schema public to alice, reader")
    with server.connect() as alice:
        alice.execute(SCHEMA)
        alice.execute("grant select on item to reader")


def run(stage: Stage, *texts: str, connection=None, code: str | None = None, **options) -> psycopg.Connection:
    """Sends each text whole by the simple protocol; the last one must fail with `code`, if given."""
    connection = connection or stage.open(**options)
    for number, text in enumerate(texts):
        result = connection.pgconn.exec_(text.encode())
        while connection.pgconn.transaction_status == pq.TransactionStatus.ACTIVE:
            connection.pgconn.get_copy_data(0)
        said = result.error_field(pq.DiagnosticField.SQLSTATE)
        expected = code if number == len(texts) - 1 else None
        assert (said and said.decode()) == expected, (text, said, result.error_message)
    return connection


@situation()
def simple_select(stage: Stage) -> None:
    run(stage, "select id, name from item where price > 20", "select 1 where false")


@situation()
def connection_by_tcp(stage: Stage) -> None:
    run(stage, "select 'tcp'", tcp=True)


@situation()
def application_name(stage: Stage) -> None:
    run(stage, "select 1", "set application_name = 'renamed'", "select 2", application_name="matrix of tests")


@situation()
def several_statements(stage: Stage) -> None:
    run(stage, "select 1;  select id from item; update item set price = price where id = 2 /* last */")


@situation()
def several_statements_one_fails(stage: Stage) -> None:
    run(stage, "select 1; select 1 / 0; select 3", code="22012")


@situation()
def empty_text(stage: Stage) -> None:
    run(stage, "", ";", "-- only a comment")


@situation()
def syntax_error(stage: Stage) -> None:
    run(stage, "selec 1", code="42601")


@situation()
def unknown_table(stage: Stage) -> None:
    run(stage, "select * from absent", code="42P01")


@situation()
def error_while_planning(stage: Stage) -> None:
    run(stage, "select 1 / 0", code="22012")


@situation()
def error_while_executing(stage: Stage) -> None:
    run(stage, "insert into item values (99, 'new', 1), (1, 'again', 1)", code="23505")
    run(stage, "update item set price = -1", code="23514")
    run(stage, "select 1 / (price - 30) from item", code="22012")


@situation()
def permission_denied(stage: Stage) -> None:
    run(stage, "set role reader", "delete from item", code="42501")


@situation()
def transaction(stage: Stage) -> None:
    run(
        stage, "begin", "insert into target values (1, 1)", "savepoint s", "update target set v = 2",
        "rollback to savepoint s", "release savepoint s", "select v from target", "rollback",
    )  # fmt: skip


@situation()
def aborted_transaction(stage: Stage) -> None:
    connection = run(stage, "begin", "select nope", code="42703")
    run(stage, "select 1", connection=connection, code="25P02")
    run(stage, "commit", connection=connection)


@situation()
def bind_values(stage: Stage) -> None:
    connection = stage.open()
    connection.execute(
        "select %s::int2, %s::int4, %s::int8, %s::text, %s::float8, %s::bool, %s::date, %s::numeric, %s::text",
        (1, 70_000, 2**40, "o'ne", 1.5, True, "2026-01-02", "12.50", None),
    )
    connection.execute("select %b::bytea, %b::uuid", (b"\0\xff", "6ba7b810-9dad-11d1-80b4-00c04fd430c8"))


@situation()
def named_prepared_statement(stage: Stage) -> None:
    connection = stage.open()
    own = connection.pgconn
    assert own.prepare(b"p1", b"update item set price = price + $1 where id = $2").status == pq.ExecStatus.COMMAND_OK
    for values in ([b"0", b"1"], [b"0", b"2"]):
        assert own.exec_prepared(b"p1", values).status == pq.ExecStatus.COMMAND_OK
    assert own.exec_prepared(b"p1", [b"x", b"2"]).status == pq.ExecStatus.FATAL_ERROR
    assert own.exec_prepared(b"absent", []).status == pq.ExecStatus.FATAL_ERROR


@situation()
def sql_prepare(stage: Stage) -> None:
    run(stage, "prepare p(int) as select name from item where id = $1", "execute p(2)", "deallocate p", "execute p(2)",
        code="26000")  # fmt: skip


@situation()
def extended_protocol_errors(stage: Stage) -> None:
    connection = stage.open()
    for text, code in (("selec %s", "42601"), ("select nope where %s = 1", "42703"), ("select %s::int / 0", "22012")):
        with stage.fails(code):
            connection.execute(text, (1,))


@situation()
def pipeline(stage: Stage) -> None:
    connection = stage.open()
    with connection.pipeline(), connection.transaction():
        for number in range(3):
            connection.execute("insert into target values (%s, 1)", (100 + number,))
        connection.execute("delete from target where id >= %s", (100,))


@situation()
def suspended_portal(stage: Stage) -> None:
    async def client() -> None:
        server = stage.server
        connection = await asyncpg.connect(
            host=str(server.socket_dir), port=server.port, user="alice", database="shop", ssl=False
        )
        stage.note_postgres(connection.get_server_pid(), None)
        async with connection.transaction():
            cursor = await connection.cursor("select id from item where id > $1 order by id", 1)
            assert len(await cursor.fetch(2)) == 2
            assert len(await cursor.fetch(2)) == 2
        async with connection.transaction():
            cursor = await connection.cursor("select id from item where id > $1 order by id", 1)
            assert len(await cursor.fetch(1)) == 1
        await connection.close()

    asyncio.run(client())


@situation()
def sql_cursor(stage: Stage) -> None:
    run(
        stage, "begin", "declare c scroll cursor for select id from item order by id", "fetch 2 from c",
        "move forward 1 in c", "fetch backward 1 from c", "close c", "commit",
    )  # fmt: skip


@situation()
def copy_in(stage: Stage) -> None:
    connection = stage.open()
    with connection.cursor() as cursor, cursor.copy("copy noted from stdin") as copy:
        copy.write(b"one\ntwo\n")


@situation()
def copy_in_fails(stage: Stage) -> None:
    connection = stage.open()
    with stage.fails("22P02"), connection.cursor() as cursor, cursor.copy("copy target from stdin") as copy:
        copy.write(b"no number\t1\n")


@situation()
def copy_out(stage: Stage) -> None:
    connection = stage.open()
    for text in ("copy item (id) to stdout", "copy (select name from item where id < 3) to stdout"):
        with connection.cursor() as cursor, cursor.copy(text) as copy:
            assert list(copy)


@situation()
def writes(stage: Stage) -> None:
    run(
        stage, "insert into target values (1, 1), (2, 2), (3, 3)", "insert into target values (4, 4) returning id",
        "insert into target values (1, 9), (5, 5) on conflict (id) do update set v = excluded.v",
        "insert into target values (1, 9) on conflict do nothing", "update target set v = 0 where id > 2",
        "delete from target where id = 1", "with gone as (delete from target where id = 2 returning id)"
        " insert into noted select id::text from gone", "truncate target",
    )  # fmt: skip


@situation(since=(15,))
def merge(stage: Stage) -> None:
    run(
        stage, "insert into target values (1, 1), (2, 2)",
        "merge into target using item on target.id = item.id when matched and target.id = 1 then delete"
        " when matched then update set v = 9 when not matched then insert values (item.id, 0)", "truncate target",
    )  # fmt: skip


@situation()
def definitions(stage: Stage) -> None:
    run(
        stage, "create table made (id serial primary key, a text default 'x')", "create index made_a on made (a)",
        "alter table made add column b int", "comment on table made is 'made here'",
        "create table made_too as select id, name from item", "alter table made rename to renamed",
        "drop table renamed, made_too", "drop table absent",
        code="42P01",
    )  # fmt: skip


@situation()
def view(stage: Stage) -> None:
    run(
        stage, "select name from cheap", "update cheap set name = name where id = 1", "select count(*) from cheap, item"
    )


@situation()
def materialized_view(stage: Stage) -> None:
    run(
        stage, "create materialized view kept as select id from item", "refresh materialized view kept",
        "select count(*) from kept", "drop materialized view kept",
    )  # fmt: skip


@situation()
def partitions(stage: Stage) -> None:
    run(
        stage, "insert into measure values (1, 1), (11, 2), (12, 3)", "select sum(value) from measure",
        "select sum(value) from measure where day < 10", "update measure set day = 13 where day = 1",
        "insert into measure values (99, 1)",
        code="23514",
    )  # fmt: skip


@situation()
def trigger(stage: Stage) -> None:
    run(stage, "insert into watched values (1), (2)", "update watched set id = 3 where id = 1", "delete from watched")


@situation()
def cascade(stage: Stage) -> None:
    run(
        stage, "insert into parent values (1), (2)", "insert into child values (1, 1), (2, 1), (3, 2)",
        "delete from parent where id = 1", "insert into child values (9, 9)",
        code="23503",
    )  # fmt: skip


@situation()
def functions(stage: Stage) -> None:
    run(stage, "select total()", "select add_notes(3)", "call add_note('called')",
        "do $$ begin perform count(*) from item; end $$")  # fmt: skip


@situation()
def caught_error(stage: Stage) -> None:
    run(
        stage,
        "do $$ begin begin insert into item values (1); exception when unique_violation then null; end;"
        " raise notice 'caught'; end $$",
    )


@situation()
def error_in_a_function(stage: Stage) -> None:
    run(stage, "do $$ begin insert into noted values ('x'); raise exception 'own %', 'words' using errcode = 'U0001';"
        " end $$", code="U0001")  # fmt: skip


@situation()
def set_role(stage: Stage) -> None:
    run(stage, "set role reader", "select count(*) from item", "reset role", "select current_user")


@situation()
def set_session_authorization(stage: Stage) -> None:
    run(stage, "set session authorization reader", "select session_user", "reset session authorization",
        user="operator")  # fmt: skip


@situation()
def grants(stage: Stage) -> None:
    run(stage, "grant update on item to reader", "revoke update on item from reader", "create role made_role",
        "grant made_role to alice", "drop role made_role", user="operator")  # fmt: skip


@situation()
def settings(stage: Stage) -> None:
    run(stage, "set statement_timeout = 0", "show work_mem", "select set_config('work_mem', '1MB', false)", "reset all",
        "discard all")  # fmt: skip


@situation()
def maintenance(stage: Stage) -> None:
    run(stage, "analyze item", "vacuum item", "reindex table item", "checkpoint", "cluster item using item_pkey",
        user="operator")  # fmt: skip


@situation()
def explain(stage: Stage) -> None:
    run(stage, "explain select * from item", "explain analyze update item set price = price where id = 1")


@situation()
def locks(stage: Stage) -> None:
    run(stage, "begin", "lock table item in exclusive mode", "select id from item where id = 1 for update", "commit")


@situation()
def notifications(stage: Stage) -> None:
    run(stage, "listen matrix", "notify matrix, 'hello'", "unlisten matrix")


@situation()
def large_text(stage: Stage) -> None:
    run(stage, "select length('" + "x" * 70_000 + "')")


@situation()
def literals(stage: Stage) -> None:
    run(
        stage, "select $tag$a 'quoted' text$tag$, E'it\\'s', 'it''s', U&'d\\0061t', B'101', X'1F', 1e3, -5, 'é€'",
        "select /* outer /* inner */ still */ 1 -- end", 'select id as "a ""quoted"" name" from item limit 1',
    )  # fmt: skip


@situation()
def secrets(stage: Stage) -> None:
    run(
        stage, "create role keeper login password 'hidden-1'", "alter role keeper password 'hidden-2'",
        "drop role keeper", "create rol keeper password 'hidden-3'", user="operator", code="42601",
    )  # fmt: skip


@situation()
def timeout(stage: Stage) -> None:
    run(stage, "set statement_timeout = 100", "select pg_sleep(60)", code="57014")


@situation()
def killed_session(stage: Stage) -> None:
    victim = stage.open(application_name="victim")
    run(stage, "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'victim'",
        user="operator")  # fmt: skip
    with stage.fails("57P01"):
        victim.execute("select 'too late'")


@situation()
def killed_while_running(stage: Stage) -> None:
    victim = stage.open()
    killer = stage.open(user="operator")
    victim.pgconn.send_query(b"select pg_sleep(60)")
    running = "select 1 from pg_stat_activity where query = 'select pg_sleep(60)' and wait_event = 'PgSleep'"
    killer.execute(
        "do $$ begin for n in 1..1000 loop perform pg_stat_clear_snapshot(); "
        f"if exists ({running}) then return; end if; perform pg_sleep(0.01); end loop; raise 'never ran'; end $$"
    )
    killer.execute("select pg_terminate_backend(pid) from pg_stat_activity where query = 'select pg_sleep(60)'")
    assert victim.pgconn.get_result().error_field(pq.DiagnosticField.SQLSTATE) == b"57P01"


@situation()
def refused_logins(stage: Stage) -> None:
    for options in (
        {"tcp": True, "password": "wrong"}, {"tcp": True, "user": "mallory"}, {"user": "nobody_here"},
        {"dbname": "nowhere"},
    ):  # fmt: skip
        try:
            stage.server.connect(application_name="refused", **options)
        except psycopg.OperationalError:
            stage.refused += 1
            continue
        raise AssertionError(f"{options} came in")


@situation()
def password_login(stage: Stage) -> None:
    run(stage, "select current_user", tcp=True, password=PASSWORD)


@situation()
def large_objects(stage: Stage) -> None:
    connection = stage.open()
    run(stage, "begin", "select lo_create(4242)", connection=connection)
    result = connection.pgconn.exec_params(b"select lo_put($1::oid, 0, $2::bytea)", [b"4242", b"x"])
    assert result.status == pq.ExecStatus.TUPLES_OK
    run(stage, "select lo_unlink(4242)", "commit", connection=connection)
