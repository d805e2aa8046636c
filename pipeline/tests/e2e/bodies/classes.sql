# Statements of all classes on PostgreSQL, whose classes and tables are held against pgaudit's session log.
# Written as postgres.sql is; sent by the simple protocol.

== anna
# ---- DDL
create table account (id int primary key, name text, balance numeric default 0)
create table ledger (id serial, account int references account on delete cascade, amount numeric)
create table if not exists account (id int)
create table like_it (like account including all)
create unlogged table quick (a int)
create temp table mine (a int)
create view rich as select id, name from account where balance > 100
create or replace view rich as select id, name from account where balance > 100 and id > 0
create materialized view totals as select account, sum(amount) as sum from ledger group by account
create table archive (id int, at date) partition by range (at)
create table archive_2025 partition of archive for values from ('2025-01-01') to ('2026-01-01')
create table archive_2026 partition of archive for values from ('2026-01-01') to ('2027-01-01')
create table above (a int)
create table below (b int) inherits (above)
create function post(a int, m numeric) returns void begin atomic insert into ledger (account, amount) values (a, m); end
create function twice(x int) returns int language sql immutable as 'select x * 2'
create function count_of() returns bigint language plpgsql as $$ begin return (select count(*) from account); end $$
create function noted() returns trigger language plpgsql as $$ begin insert into quick values (1); return new; end $$
create trigger account_noted after insert on account for each row execute function noted()
create procedure settle(i int) language plpgsql as $$ begin update account set balance = 0 where id = i; end $$
create rule quick_rule as on delete to quick do also insert into mine values (1)
create index on account (name)
create unique index concurrently like_name on like_it (name)
create sequence numbers
create schema later create table inside (a int)
create type mood as enum ('sad', 'glad')
create domain positive as int check (value > 0)
create extension if not exists plpgsql
create aggregate many_of (int) (sfunc = int4pl, stype = int, initcond = '0')
create statistics account_stats on id, name from account
create publication published for table account
create collation our_c from "C"
alter table account add column note text
alter table account alter column note type varchar(20)
alter table account rename column note to remark
alter table like_it rename to alike
alter table archive detach partition archive_2025
alter table archive attach partition archive_2025 for values from ('2025-01-01') to ('2026-01-01')
alter view rich set (security_barrier)
alter sequence numbers restart
alter function twice(int) cost 5
alter type mood add value 'fine'
comment on table account is 'accounts'
create table made as select * from account
select * into made_too from account
create table made_of_nothing as select * from account with no data

# ---- WRITE
insert into account values (1, 'anna', 500), (2, 'bert', 20), (3, 'carl', 5)
insert into account (id, name) values (4, 'dora') returning *
insert into ledger (account, amount) select id, balance from account
insert into account values (1, 'again', 0) on conflict (id) do update set name = excluded.name
insert into account values (1, 'again', 0) on conflict do nothing
insert into archive values (1, '2025-05-05'), (2, '2026-05-05')
insert into archive_2025 values (3, '2025-06-06')
insert into below values (1, 2)
insert into quick select * from mine
insert into mine default values
update account set balance = balance * 2 where id = 1
update account a set balance = l.amount from ledger l where l.account = a.id and a.id = 2
update rich set name = 'Anna' where id = 1
update archive set id = id + 10 where at > '2026-01-01'
update archive set at = '2025-12-12' where id = 12
update above set a = a + 1
update account set name = (select max(name) from alike) where id = 3
update account set balance = 0 where false
delete from ledger where amount < 10
delete from ledger using account where ledger.account = account.id and account.id = 4
delete from account where id = 4
delete from archive
delete from quick
with gone as (delete from ledger returning *) select count(*) from gone
with n as (insert into account values (7, '', 7) returning id) insert into ledger (account) select id from n
merge into account using (values (2, 7)) v (i, b) on id = i when matched then update set balance = b
merge into account a using alike s on a.id = s.id when not matched then insert values (s.id)
merge into account using (values (2, 7)) v (i, b) on id = i when matched then do nothing
truncate alike
truncate ledger, quick restart identity
[copy in] copy account (id, name) from stdin with (format csv)
[22P04] [copy in] copy quick from stdin with (format csv)
refresh materialized view totals
[55000] refresh materialized view concurrently totals

# ---- READ
select * from account
select name from rich
select a.name, l.amount from account a join ledger l on l.account = a.id
select count(*) from archive
select count(*) from archive where at > '2026-01-01'
select count(*) from archive_2026
select * from above
select * from only above
select * from totals
select * from account where exists (select from ledger where account = account.id) for update
select * from account a1, account a2 where a1.id = a2.id
with x as (select * from account) select * from x
with recursive r as (select 1 as i union all select i + 1 from r where i < 3) select * from r
select (select max(id) from account), array(select account from ledger)
select * from account union select id, null, 0, null from ledger
table account
values (1), (2)
select 1
select now(), current_user
select * from generate_series(1, 3)
select nextval('numbers')
select * from mine
select * from later.inside
[copy out] copy account to stdout
[copy out] copy (select id from ledger) to stdout
[copy out] copy archive_2026 to stdout
copy account to '/dev/null'
select relname from pg_class where relname = 'account'
select count(*) from information_schema.tables
select a.relname, b.name from pg_class a, account b limit 1
select pg_relation_size('account')

# ---- FUNCTION
select post(1, 50)
select twice(4), count_of()
select twice(id) from account
select many_of(id) from account
do $$ begin perform post(2, 5); end $$
do $$ begin insert into account values (50, 'do', 0); end $$
do $$ begin null; end $$
call settle(1)
select count_of() from account limit 1

# ---- ROLE
create role auditor
create user audited password 'a secret'
create group auditing
alter role auditor nologin
alter role auditor set work_mem = '8MB'
alter user audited with password 'another secret'
grant select on account to auditor
grant insert (name), update on account to auditor with grant option
grant auditor to audited
revoke select on account from auditor
revoke auditor from audited
alter default privileges grant select on tables to auditor
alter default privileges revoke select on tables from auditor
reassign owned by audited to postgres
drop owned by auditor
alter table alike owner to auditor
alter table alike owner to postgres

# ---- MISC
begin
savepoint one
rollback to one
release one
lock table account in share mode
commit
start transaction read only
select count(*) from account
end
begin
abort
set role auditor
reset role
set session authorization auditor
reset session authorization
set search_path = public
set local search_path = public
show search_path
reset search_path
set transaction isolation level read committed
prepare p as select * from account where id = $1
execute p (1)
prepare w as update account set balance = 1 where id = $1
execute w (1)
deallocate p
deallocate all
begin
declare c cursor for select * from account
fetch 1 from c
move 1 in c
close c
commit
declare held cursor with hold for select * from account
fetch all from held
close all
listen channel
notify channel, 'x'
unlisten channel
explain select * from account
explain analyze select * from account
explain analyze update account set balance = 2 where id = 1
explain insert into account values (99, 'x', 0)
analyze account
analyze
vacuum account
vacuum full quick
reindex table account
cluster account using account_pkey
checkpoint
load 'pgaudit'
discard plans
discard temp
[22023] security label for nobody on table account is 'x'

# ---- What fails
[42P01] select * from nothing
[23505] insert into account values (1, 'dup', 0)
[23502] insert into account values (null, 'x', 0)
[22012] update account set balance = 1 / 0
[42P01] delete from nothing
[42P01] drop table nothing
[42601] selec 1
[42703] select nope from account
begin
[22012] select 1 / 0
[25P02] select 1
rollback

# ---- The end
drop trigger account_noted on account
drop view rich
drop materialized view totals
drop function post, twice, count_of
drop procedure settle
drop table if exists nothing
drop table archive, ledger, account cascade
drop schema later cascade
drop owned by auditor
drop role auditor
drop role audited, auditing
