# What is sent to a PostgreSQL server by the extended protocol, by each driver in each of its ways, and held
# against the server's csvlog. bodies/script.py reads it; mariadb.sql says how, and here it has besides:
#
#   text                        is prepared and executed without values
#   [exec 1, "a"] text          with these values, which are Python
#   [many (1, "a"), (2, "b")] t for each of these rows of values
#   [cursor 2, 10] text         with the value 10, and two rows are fetched at a time
#   [copy in] t  [copy out] t   COPY from and to the client
#   [simple] text               by the simple protocol
#   [pipeline] ... [sync]       sent at once, by the driver that can; the first error is that of [sync]
#
# The schema is the session's own, and first on its path.

== anna
# ---- Tables of all kinds

create table item (id int primary key, name text not null, price numeric(10,2) check (price >= 0), tags text[], at timestamptz default now())
create table owner (id serial primary key, name varchar(10) unique)
create table owned (item int references item on delete cascade, owner int references owner, primary key (item, owner))
create unlogged table log_of (id bigint generated always as identity, what text, twice int generated always as (length(what)) stored)
create temp table temp_t (a int) on commit preserve rows
create table made as select g as id, 'n' || g as name from generate_series(1, 5) g
create table if not exists item (id int)
create table like_item (like item including all)
create table child_of () inherits (made)
create table parts (id int, at date) partition by range (at)
create table parts_old partition of parts for values from (minvalue) to ('2025-01-01')
create table parts_new partition of parts for values from ('2025-01-01') to (maxvalue)
create table "odd name; -- $1" ("col""umn" int, "zoë" text)
create type mood as enum ('sad', 'fine', 'happy')
create type pair as (a int, b text)
create domain positive as int check (value > 0)
create sequence numbers start 5 increment 5 maxvalue 15
create view cheap as select id, name, price from item where price < 10 with check option
create materialized view names as select name from item with no data
create index item_name on item (lower(name)) where price > 0
create unique index concurrently owner_name on owner (name)
create function twice(x int) returns int language sql immutable as 'select $1 * 2'
create function noisy(x int) returns int language plpgsql as $$ begin if x < 0 then raise exception 'below: %', x using errcode = 'AB123'; end if; raise notice 'x is %', x; return x; end $$
create function fills(n int) returns setof int language plpgsql as $$ begin for i in 1..n loop insert into log_of (what) values ('f' || i); return next i; end loop; end $$
create procedure stores(w text) language plpgsql as $$ begin insert into log_of (what) values (w); commit; insert into log_of (what) values (w); end $$
create function trig() returns trigger language plpgsql as $$ begin insert into log_of (what) values (tg_op); return new; end $$
create trigger item_noted after insert or update on item for each row execute function trig()
create rule no_delete as on delete to log_of do instead nothing
create aggregate many_of (int) (sfunc = int4pl, stype = int, initcond = '0')
create operator === (leftarg = int, rightarg = int, function = int4eq)
create cast (mood as int) with inout
[42P07] create table item (id int)
[42P06] create schema information_schema
[42710] create type mood as enum ('x')
[42723] create function twice(x int) returns int language sql as 'select 1'
[42704] create table bad (a nothing)
[42P01] create table bad (like nothing)
[42830] create table bad (a int references item (name))
[42701] create table bad (a int, a int)
[42P16] create table bad (a int primary key, b int primary key)
[42P17] create table bad (a int, b int) partition by list ((b + random()))
[42601] create table bad (a int,
[42601] create tabel bad (a int)
[42804] create table bad (a int default now())
[42P13] create function bad() returns int language sql as 'select ''x'''

# ---- Rows, with values

[exec 1, "lamp", D("9.50"), list("a", "b'c")] insert into item (id, name, price, tags) values ($1, $2, $3, $4)
[exec 2, "zoë's 🦀; \"x\" \\ \n", D("0.00"), list()] insert into item (id, name, price, tags) values ($1, $2, $3, $4)
[exec 3, "", None, None] insert into item (id, name, price, tags) values ($1, $2, $3, $4) returning id, name
[exec 4, "desk", D("1234567.89")] insert into item (id, name, price) values ($1, $2, $3) on conflict (id) do update set name = excluded.name
[exec 4, "desk two"] insert into item (id, name) values ($1, $2) on conflict (id) do update set name = excluded.name || $2 returning *
[exec 4, "x"] insert into item (id, name) values ($1, $2) on conflict do nothing
[many (10, "ten"), (11, "eleven"), (12, "twelve")] insert into item (id, name) values ($1, $2)
[many ("anna",), ("bert",), ("zoë",), (None,)] insert into owner (name) values ($1)
[many (1, 1), (2, 2), (3, 1)] insert into owned (item, owner) values ($1, $2)
[many (D("1.5"), 10), (D("2.5"), 11), (D("3.5"), 9999)] update item set price = $1 where id = $2
[many (9998,), (12,)] delete from item where id = $1
[exec 5] insert into log_of (what) select 'row ' || g from generate_series(1, $1) g
[exec date(2024, 5, 5), date(2026, 5, 5)] insert into parts values (1, $1), (2, $2)
[exec 10, D("0.5")] update item set price = price * $2 where id > $1 returning id, price
[exec "a"] update item set tags = array_append(tags, $1) from owned where owned.item = item.id
[exec "nobody"] delete from owner where name = $1
[exec 3] delete from item where id = $1
[exec 1] delete from owned using owner where owner.id = owned.owner and owner.id = $1 returning owned.*
[exec 4, "merged"] merge into item i using (values ($1::int, $2::text)) v (id, name) on i.id = v.id when matched then update set name = v.name when not matched then insert (id, name) values (v.id, v.name)
[exec 2] with moved as (delete from made where id = $1 returning *) insert into like_item (id, name) select id, name from moved
[exec 1, 2] insert into "odd name; -- $1" values ($1, $2::int::text)
[exec 5, "cheap one"] insert into item (id, name, price) values ($1, $2, 5)
truncate made
truncate log_of restart identity cascade
[23505] [exec 1, "again"] insert into item (id, name) values ($1, $2)
[23502] [exec 20, None] insert into item (id, name) values ($1, $2)
[23514] [exec 20, "x", D("-1")] insert into item (id, name, price) values ($1, $2, $3)
[23503] [exec 999, 999] insert into owned values ($1, $2)
[23514] [exec 99] insert into parts select $1, null
[22001] [exec "a name of more than ten"] insert into owner (name) values ($1)
[22003] [exec D("12345678901.5")] update item set price = $1
[44000] [exec D("50")] update cheap set price = $1
[44000] [exec 500, "dear", D("100")] insert into cheap values ($1, $2, $3)
[428C9] [exec 5] insert into log_of (id) values ($1)
[21000] [exec 7, "x"] insert into item (id, name) values ($1, $2), ($1, $2) on conflict (id) do update set name = 'y'
[22P02] [exec "seven"] insert into item (id, name) values (($1::text)::int, 'x')
[42703] [exec 1] update item set nope = $1
[42P01] [exec 1] delete from nothing where id = $1
[23505] [many (30, "a"), (31, "b"), (30, "c")] insert into item (id, name) values ($1, $2)
[42809] [exec 1] update names set name = $1::int::text

# ---- Values of each type

[exec 1, 2, 3] select $1::int2, $2::int4, $3::int8
[exec -32768, -2147483648, -9223372036854775808] select $1::int2, $2::int4, $3::int8
[exec 32767, 2147483647, 9223372036854775807] select $1::int2, $2::int4, $3::int8
[exec 0.5, -1.25e300, 0.1] select $1::float8, $2::float8, $3::float4
[exec inf, -inf, nan] select $1::float8, $2::float8, $3::float8
[exec D("0"), D("-0.00012"), D("1e20"), D("NaN"), D("123456789.987654321")] select $1::numeric, $2::numeric, $3::numeric, $4::numeric, $5::numeric
[exec "", "a", "it's", "two\nlines", "tab\t", "zoë 🦀 日本"] select $1::text, $2::varchar, $3::text, $4::text, $5::text, $6::text
[exec "padded"] select $1::char(10)
[exec "a_name"] select $1::name
[exec True, False, None] select $1::bool, $2::bool, $3::bool
[exec date(2026, 1, 2), date(1, 1, 1), date(9999, 12, 31)] select $1::date, $2::date, $3::date
[exec time(12, 34, 56), time(0, 0, 0, 1)] select $1::time, $2::time
[exec datetime(2026, 1, 2, 3, 4, 5, 600000), datetime(1999, 12, 31)] select $1::timestamp, $2::timestamp
[exec utc(2026, 1, 2, 3, 4, 5, 600000), utc(1970, 1, 1)] select $1::timestamptz, $2::timestamptz
[exec days(1, 3661, 5), days(-3), days(0, 0, 1)] select $1::interval, $2::interval, $3::interval
[exec uuid(int=5), uuid(int=2**128 - 1)] select $1::uuid, $2::uuid
[exec b"\0\xff'\\", b""] select $1::bytea, $2::bytea
[exec '{"a": [1, "x;y"]}', "null"] select $1::json, $2::jsonb
[exec list(1, -2, 3), list(2**40), list("a", "b c", "d\"e", "it's", "")] select $1::int[], $2::int8[], $3::text[]
[exec list(), list(None, 1)] select $1::int[], $2::int[]
[exec list(D("1.5"), D("-2"), None), list(0.5, inf), list(True, False, None)] select $1::numeric[], $2::float8[], $3::bool[]
[exec list(uuid(int=5), None), list(date(2026, 1, 2)), list(utc(2026, 1, 2, 3, 4, 5)), list(days(1, 5))] select $1::uuid[], $2::date[], $3::timestamptz[], $4::interval[]
[exec list(None), list("NULL", "null", None, "{}", "a,b"), list(b"\0\xff")] select $1::int[], $2::text[], $3::bytea[]
[exec list(list(1, 2), list(3, 4))] select $1::int[]
[exec "happy"] select $1::mood
[exec 7] select $1::positive
[exec "192.168.0.1/24"] select $1::text::inet
[exec "x" * 1024, "y" * 1025, "z" * 5000] select length($1::text), length($2::text), length($3::text)
[exec "ä" * 600] select length($1::text)
[exec b"q" * 3000] select length($1::bytea)
[exec 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12] select $1::int + $2::int + $3::int + $4::int + $5::int + $6::int + $7::int + $8::int + $9::int + $10::int + $11::int + $12::int
[exec 5] select $1::int, $1::int * 2, $1
[exec "$2", "?"] select $1::text, '$1', $2::text, "zoë" from "odd name; -- $1" /* $3 */ -- $4
[exec 1] select * from item where id = $1 for update
[exec 1] select * from item where id = any (array[$1::int, 2])
[exec list(1, 2, 3)] select id from item where id = any ($1)

# ---- Queries

select 1
select 1 as one, 'x' as "two;", $$dollar; $$, $q$ '"$q$, E'\n', U&'\0041', B'101', X'ff'
   select   2   -- behind
/* before; */ select /* in $1 */ 3
select 'zoë', 'naïve', '日本', '🦀' as "🦀"
SeLeCt 4 ;
select 1;
values (1, 'a'), (2, 'b')
table item
select distinct on (name) id, name from item order by name, id desc limit 3 offset 1
[exec 1] select i.name, o.name from item i left join owned w on w.item = i.id full join owner o on o.id = w.owner where i.id >= $1 or i.id is null
[exec 50] with recursive n (i) as (select 1 union all select i + 1 from n where i < $1) select sum(i) from n
[exec 2] select id, row_number() over w, lag(name, $1) over w, sum(id) over (order by id rows between 1 preceding and current row) from item window w as (order by id)
select count(*) filter (where price > 1), string_agg(name, '; ' order by id), grouping(name) from item group by rollup (name) having count(*) > 0
[exec 1] select * from item tablesample bernoulli (100) where id > $1
[exec 3] select * from generate_series(1, $1) with ordinality
select jsonb_path_query('{"a": [1, 2]}', '$.a[*]'), '{"a": 1}'::jsonb -> 'a', json_build_object('k', 1)
select * from json_to_recordset('[{"a": 1}]') as x (a int), lateral (select x.a + 1) y
select exists (select 1 from item intersect select 2), array(select id from item), row(1, 'x')
[exec "l%"] select name like $1, name ~ '^l', name similar to '%' from item
[exec 2] select twice($1), many_of(id) from item
select * from cheap
select * from parts where at > '2025-05-05'
select pg_typeof(now()), current_user, current_schema, version() is not null
select nextval('numbers'), currval('numbers'), lastval()
[exec 3] select * from fills($1)
[exec 5] select noisy($1)
[exec 2, 9] select id from item where id between $1 and $2 order by id desc
select count(*) from information_schema.tables where table_schema = 'public'
explain select * from item
[exec 1] explain (analyze, costs off, timing off, summary off) select * from item where id = $1
show server_version
show all
[42P01] [exec 1] select * from nothing where a = $1
[42703] [exec 1] select nope from item where id = $1
[42883] [exec 1] select no_such_function($1::int)
[42883] [exec 1] select id === 'x'::bytea from item where id = $1
[42P01] select numeric_thing.* from item i, item i2 where id = 1 and numeric_thing = 1
[42702] [exec 1] select id from item, like_item where id = $1
[42712] select * from item, item
[42803] select name, count(*) from item
[42803] select count(*) from item where count(*) > 1
[42804] select 1 where 'x'::text
[42804] select case when true then 1 else now() end
[42846] select 1::int::uuid
[42P18] select $1 is null
[42P02] select $0
[42601] selec 1
[42601] select 1; select 2
[42601] select * form item
[42601] select 'not ended
[42601] [exec 1] select $1::int +
[22012] [exec 1, 0] select $1::int / $2::int
[22012] select 1 / 0
[22P02] [exec "x"] select ($1::text)::int
[22003] [exec 2147483647] select $1::int + 1
[22003] [exec "1e400"] select ($1::text)::float8
[22007] [exec "never"] select ($1::text)::timestamp
[22008] [exec "2026-02-31"] select ($1::text)::date
[22P02] [exec "{broken"] select ($1::text)::jsonb
[22P02] [exec "glad"] select ($1::text)::mood
[23514] [exec -5] select ($1::int)::positive
[2201B] [exec "("] select 'a' ~ $1
[22023] [exec "5"] select set_config('work_mem', $1 || 'x', false)
[2201E] [exec -1] select ln(0 * $1::int)
[2201F] select sqrt(-1::numeric)
[2201W] [exec -1] select 1 limit $1
[22011] [exec -5] select substring('abc' from 1 for $1)
[22021] [exec b"\xff"] select convert_from($1, 'UTF8')
[21000] select (select id from item)
[55000] select currval('numbers') from (select 1) x where lastval() is null or (select true from names limit 1)
[55000] select * from names
[2200H] select nextval('numbers'), nextval('numbers'), nextval('numbers'), nextval('numbers')
[AB123] [exec -1] select noisy($1)
[42P10] insert into item (id, name) values (1, 'x') on conflict (price) do nothing
[42601] select * from item for update of cheap union select 1
select 1 from (values (1)) v (a) where false and row(1) = any (array_fill(row(1), array[0]))

# ---- Cursors and portals

[cursor 2, 5] select generate_series(1, $1)
[cursor 3, 1] select id, name from item where id >= $1 order by id
[cursor 100, 3] select * from generate_series(1, $1)
[cursor 1, "x"] values ($1::text), ('b'), ('c')
[22012] [cursor 2, 2] select 10 / ($1::int - g) from generate_series(0, 5) g
begin
declare by_hand cursor for select * from item order by id
fetch 2 from by_hand
fetch backward 1 from by_hand
move forward all in by_hand
close by_hand
commit
[34000] fetch 1 from nothing
declare held cursor with hold for select 1
fetch all from held
close held
[25P01] declare outside cursor for select 1

# ---- COPY

[copy in] copy owner (name) from stdin
[copy in] copy made from stdin with (format csv, header)
[copy out] copy item (id, name) to stdout
[copy out] copy (select id, name from item where id < 5) to stdout with (format csv, header)
[copy out] copy item to stdout (format binary)
[22P02] [copy in] copy item (name, id) from stdin with (format csv)
[42P01] [copy out] copy nothing to stdout
[42703] [copy out] copy item (nope) to stdout
copy item to '/dev/null'
[58P01] copy item from '/nothing/there'
copy (select 1) to program 'cat > /dev/null'

# ---- Transactions, settings

begin
savepoint one
[exec 60, "sixty"] insert into item (id, name) values ($1, $2)
rollback to savepoint one
release savepoint one
[3B001] rollback to savepoint nothing
[25P02] select 1
[25P02] [exec 1] select $1::int
rollback
start transaction isolation level serializable, read only, deferrable
[25006] [exec 1] delete from item where id = $1
rollback and chain
commit
begin
[55000] prepare transaction 'two'
[42704] commit prepared 'nothing'
abort
prepare by_hand (int) as select $1 + 1
execute by_hand (4)
[42P05] prepare by_hand as select 1
deallocate by_hand
[26000] execute by_hand (4)
[26000] deallocate by_hand
set work_mem = '8MB'
set local work_mem = '4MB'
[exec "9MB"] select set_config('work_mem', $1, false)
reset work_mem
[42704] set nothing_at_all = 5
[22023] set work_mem = 'x'
[55P02] set max_connections = 5
set time zone 'Europe/Berlin'
[exec utc(2026, 7, 1, 12)] select $1::timestamptz
set time zone 'UTC'
set statement_timeout = 60
[57014] [exec 5] select pg_sleep($1)
set statement_timeout = 0
listen channel
notify channel, 'told; it'
[exec "channel", "by a value"] select pg_notify($1, $2)
unlisten *
[25P01] lock table item in share mode
begin
lock table item in exclusive mode nowait
commit
do $$ begin perform 1; raise notice 'done'; end $$
[P0001] do $$ begin raise exception 'own; %', 5; end $$
[P0004] do $$ begin assert false, 'asserted'; end $$
[P0002] do $$ declare x int; begin select 1 into strict x where false; end $$
[P0003] do $$ declare x int; begin select g into strict x from generate_series(1, 2) g; end $$
[22012] do $$ begin begin perform 1 / 0; exception when division_by_zero then raise; end; end $$
do $$ begin begin perform 1 / 0; exception when others then null; end; end $$
[exec "stored"] call stores($1)
[42883] call no_such_procedure(1)
[2D000] do $$ begin begin commit; exception when others then raise; end; end $$
discard plans
[simple] select 1; select 'two'; select 3
[22012] [simple] select 1; select 1 / 0; select 3
[42601] [simple] select 1; selec 2
; ;
«20»

# ---- Pipelines

[pipeline]
[exec 70, "seventy"] insert into item (id, name) values ($1, $2)
[exec 71, "more"] insert into item (id, name) values ($1, $2)
[exec 70] select name from item where id >= $1
[sync]
[pipeline]
[exec 1] select $1::int
[exec 0] select 1 / $1::int
[exec 2] select $1::int + 100
[22012] [sync]
[pipeline]
[many (80, "a"), (81, "b"), (82, "c")] insert into item (id, name) values ($1, $2)
[exec 80] delete from item where id >= $1
select 'last in the pipeline'
[sync]
[pipeline]
[exec 1] select nope from item where id = $1
[exec 1] select 'never', $1::int
[42703] [sync]

# ---- Changes of tables, roles and rights

alter table item add column note text default 'none', alter column price set default 1, drop column if exists nothing
[exec 90, "no price"] insert into item (id, name, price) values ($1, $2, null)
[23502] alter table item alter column price set not null
[42701] alter table item add column note text default 'none'
alter table item rename column note to remark
alter table item alter column remark type varchar(20) using left(remark, 20)
alter table item drop column remark cascade
[42703] alter table item drop column remark
[42701] alter table item add column name int
[42809] alter table parts attach partition parts_new default
[55000] alter table parts detach partition parts_new finalize
alter index item_name rename to item_lower_name
alter sequence numbers restart with 5
alter type mood add value 'glad' after 'fine'
alter function twice(int) cost 5
alter view cheap set (security_barrier)
comment on table item is 'items; all of them'
comment on column item.name is null
refresh materialized view names
select * from names
reindex table item
cluster item using item_pkey
analyze item (name)
vacuum item
vacuum (full, analyze) made
[25001] [simple] begin; vacuum item
rollback
create schema other authorization current_user create table inside (a int)
drop schema other cascade
create role of_body nologin
alter role of_body with login password 'secret of body' valid until '2030-01-01'
grant select, insert (name) on item to of_body
grant of_body to current_user
revoke insert (name) on item from of_body
alter default privileges in schema public grant select on tables to of_body
alter default privileges in schema public revoke select on tables from of_body
set role of_body
[42501] [exec 1] delete from item where id = $1
[42501] create role other_role
[42501] drop table item
reset role
set session authorization of_body
reset session authorization
[42710] create role of_body
[42704] drop role nobody_at_all
[2BP01] drop role of_body
drop owned by of_body
drop role of_body
[2BP01] drop table item
[42809] drop view item
[42P01] drop table nothing
drop table if exists nothing, made cascade
drop function twice(int) cascade
drop aggregate many_of (int)

# ---- Two sessions at once

[exec 1, 2] delete from owned where item in ($1, $2)
begin
[exec 1] update item set price = 1 where id = $1
== bert
set lock_timeout = 100
[55P03] [exec 1] update item set price = 2 where id = $1
[55P03] [exec 1] select * from item where id = $1 for update nowait
set lock_timeout = 0
set deadlock_timeout = '10s'
begin
[exec 2] update item set price = 2 where id = $1
[send 1] update item set price = 3 where id = $1
== anna
set deadlock_timeout = '50ms'
[40P01] [exec 2] update item set price = 4 where id = $1
rollback
== bert
[got]
commit
begin isolation level repeatable read
[exec 1] select price from item where id = $1
== anna
[exec D("5"), 1] update item set price = $1 where id = $2
== bert
[40001] [exec D("6"), 1] update item set price = $1 where id = $2
rollback
[send 60] select pg_sleep($1)
== anna
[exec id("bert")] select pg_cancel_backend($1)
== bert
[57014] [got]
[send 60] select pg_sleep($1), 'and its session'
== anna
[exec id("bert")] select pg_terminate_backend($1)
== bert
[57P01] [got]
== anna
select 'the end'
