# What is sent to a MariaDB server, message by message, and held against its general log and against what
# the client got. bodies/play.py reads it:
#
#   == anna           what follows is sent by the session `anna`; it logs in where it is named first,
#                     as root, or as another: `== eve as eve`
#   == anna is gone   it logs out
#   text              one line is one message of COM_QUERY, byte for byte
#   <<< ... >>>       lines between them are one message
#   [1146] text       fails with this error number
#   [exec 1, "a"] t   is prepared and executed by the binary protocol with these values
#   [command 2] t     is another command of the protocol
#   [send] text       is not waited for, but until it waits in the server; `[got]` is where its answer is read
#   «e4 00»           bytes in hexadecimal;  «id anna» the connection id of anna
#
# Empty lines, and lines that begin with `# `, are nothing.

# ---- Databases and tables

== anna
create database body character set utf8mb4
[1007] create database body
create database if not exists body
create or replace database body_two
alter database body_two character set latin1 collate latin1_swedish_ci
drop database body_two
[1008] drop database body_two
drop database if exists body_two
[1049] use nowhere
use body
create table t (id int primary key auto_increment, name varchar(20), note text, n decimal(10,2), at datetime default now())
[1050] create table t (id int)
create table if not exists t (id int)
create table parent (id int primary key, name varchar(20) not null) engine=InnoDB
<<<
create table child (
  id int primary key,
  parent int,
  -- a comment with a ; in it
  constraint of_parent foreign key (parent) references parent (id) on delete cascade /* and ' another */
)
>>>
create table old (id int, v varchar(10), key (id)) engine=MyISAM comment='it''s old'
create table memory_t (id int, key using btree (id)) engine=MEMORY
create table aria_t (id int) engine=Aria transactional=1
[1178] create table csv_t (a varchar(100), b varchar(100)) engine=CSV
create table csv_t (a varchar(100) not null, b varchar(100) not null) engine=CSV
create table copy_t like t
create table made as select 1 as a, 'x' as b union all select 2, 'y'
create table made_ignored (id int primary key) ignore select 1 as id union all select 1
create or replace table made (a int) select 3 as a
create table checked (a int check (a > 0), b int, constraint sum_is_small check (a + b < 100))
create table generated (a int, twice int as (a * 2) persistent, thrice int generated always as (a * 3) virtual)
create table json_t (id int primary key, doc json, check (json_valid(doc)))
create table typed (b bit(3), y year, e enum('a','b'), s set('x','y','z'), bin varbinary(16), u uuid, i inet6, f float, d double, t time(6), big bigint unsigned, p point)
create table versioned (id int, v int) with system versioning
create table periods (id int, s date, e date, period for valid (s, e))
create table `odd name; -- x` (`col``umn` int, `zoë` int)
create table latin (a varchar(20)) character set latin1
create table self (id int primary key, boss int references self (id))
create table texts (t text, fulltext key (t)) engine=InnoDB
create table compressed_t (a varchar(100) compressed, b blob) row_format=dynamic page_compressed=1
[1064] create table
[1064] create table x (a int,)
[1113] create table x
[1060] create table x (a int, a int)
[1068] create table x (a int primary key, b int primary key)
[1072] create table x (a int, key (b))
[1074] create table x (a char(300))
[1075] create table x (a int auto_increment)
[1067] create table x (a int default 'word')
[1286] create table x (a int) engine=Nothing
[1115] create table x (a varchar(5) character set nothing)
[1005] create table x (a int, foreign key (a) references nowhere (id))
[1103] create table a_name_that_is_much_longer_than_the_sixty_four_characters_that_a_name_may_have (a int)
[1118] create table x (a varchar(16000), b varchar(16000))
[1391] create table x (a text, key (a(0)))
create or replace table wide (a varchar(3000), key (a)) engine=InnoDB row_format=dynamic
[1166] create table x (`a ` int)
[1103] create table `x ` (a int)

# ---- Changes of tables and indexes

alter table t add column extra int after name, add column more int first
alter table t modify extra bigint, change more most varchar(5)
alter table t drop column extra, drop column most
alter table t add index by_name (name), algorithm=inplace, lock=none
alter table t alter n set default 1.5
alter table t rename column note to remark
alter table t rename column remark to note
alter table t rename index by_name to name_key
alter table t comment='changed', auto_increment=100
alter table t convert to character set utf8mb4
alter table t engine=InnoDB
alter table old engine=Aria
alter table copy_t rename to copied
alter table child drop foreign key of_parent
alter table child add constraint of_parent foreign key (parent) references parent (id) on delete cascade
alter table checked drop constraint sum_is_small
[4119] alter table versioned add column w int, algorithm=copy
alter online table t add column o int default 5
alter ignore table t drop column if exists nothing
alter table t drop column o
[1091] alter table t drop column nothing
[1060] alter table t add column name int
[1061] alter table t add index name_key (name)
[1146] alter table nothing add column a int
[1054] alter table t modify nothing int
[1845] alter table old add column z int, algorithm=nocopy
[1064] alter table t frobnicate
create index by_n on t (n desc, name(5))
create unique index if not exists by_n on t (n)
create fulltext index words on t (note)
drop index by_n on t
[1091] drop index by_n on t
drop index if exists by_n on t
rename table copied to copies, made to makes
[1050] rename table copies to makes
[1146] rename table nothing to something
rename table copies to copied, makes to made
truncate table made
truncate copied
[1146] truncate nothing
[1701] truncate parent
analyze table t, parent
optimize table old
check table t, old extended
repair table old
checksum table t
check table nothing
analyze table t persistent for all

# ---- Rows

insert into parent values (1, 'one'), (2, 'two'), (3, 'three')
insert into parent (id, name) value (4, 'four')
insert parent set id = 5, name = 'five'
insert into child select id, id from parent where id < 4
insert into t (name, note, n) values ('anna', 'it''s a "note"', 12.34), ('bert', "two\nlines\t\\", -1), ('zoë 🦀', null, default)
insert into t (name) select concat('row ', seq) from seq_1_to_20
insert ignore into parent values (1, 'again'), (6, 'six')
insert into parent values (6, 'seis') on duplicate key update name = values(name)
insert into parent values (7, 'seven'), (6, 'six') on duplicate key update name = concat(name, '!')
insert into t (id, name) values (900, 'x') returning id, name
[1616] insert delayed into old values (1, 'late')
insert high_priority into old values (2, 'soon')
insert low_priority into old values (3, 'later')
insert into t () values ()
insert into json_t values (1, '{"a": [1, 2, {"b": "c;d"}]}'), (2, '[]')
insert into generated (a) values (1), (2)
insert into typed (b, y, e, s, bin, f, big) values (b'101', 2026, 'a', 'x,z', x'00ff27', 1e-3, 18446744073709551615)
insert into typed (u, i, p) values ('123e4567-e89b-12d3-a456-426655440000', '::1', point(1, 2))
insert into versioned (id, v) values (1, 1), (2, 2)
insert into `odd name; -- x` values (1, 2)
insert into texts values ('the quick brown fox'), ('lazy dogs; and more')
replace into parent values (7, 'seven')
replace parent set id = 8, name = 'eight'
replace into old select id, name from parent
replace into parent values (8, 'acht') returning *
update t set n = n + 1 where id > 100
update t set note = 'x', n = default where name like 'row 1%' order by id limit 3
update low_priority ignore old set v = 'w' where id = 1
update parent p join child c on c.parent = p.id set p.name = upper(p.name), c.id = c.id + 100 where p.id = 1
update t, (select 900 as id) as d set t.name = 'y' where t.id = d.id
update versioned set v = v + 1
delete from t where id = 900
delete from t order by id desc limit 2
delete low_priority quick ignore from old where id = 3
delete t from t left join parent p on p.name = t.name where t.name = 'row 3'
delete from c using child c join parent p on p.id = c.parent where p.id = 3
delete from parent where id = 2 returning id
delete from versioned where id = 2
delete history from versioned before system_time now()
[1062] insert into parent values (1, 'again')
[1062] insert into parent values (10, 'x'), (10, 'y')
[1452] insert into child values (50, 999)
[1451] update parent set id = 77 where id = 1
[1136] insert into parent values (1)
[1048] insert into parent values (11, null)
[1364] insert into parent (id) values (11)
[1406] insert into parent values (11, 'a name that is too long for it')
[1366] insert into parent values ('eleven', 'x')
[1264] insert into typed (y) values (99999)
[1264] insert into parent values (99999999999, 'x')
[1292] insert into t (at) values ('yesterday')
[1265] insert into typed (e) values ('c')
[1365] insert into parent values (1 / 0, 'x')
[1054] insert into parent (nope) values (1)
[1110] insert into parent (id, id) values (1, 1)
[1146] insert into nothing values (1)
[4025] insert into checked values (-1, 0)
[4025] insert into json_t values (3, '{broken')
[1906] insert into generated (a, twice) values (1, 5)
[1416] insert into typed (p) values ('no point')
[1242] update parent set name = (select name from parent)
[1054] update parent set nope = 1
[1146] update nothing set a = 1
update parent p join child c on c.parent = p.id set p.id = 1 limit 1
[1146] delete from nothing
[1109] delete x from parent
[1690] update t set n = 1 where id = cast(0 as unsigned) - 1
[1292] update parent set name = 'x' where name = 5
[1064] insert parent (1, 'x')
[1064] update set x = 1
[1064] delete * from parent

# ---- Files

select * from parent into outfile 'body_parent.txt'
select 1, 'a;b' into outfile 'body_one.txt' fields terminated by ',' enclosed by '"' lines terminated by '\n'
select name from parent limit 1 into dumpfile 'body_dump.txt'
[1086] select 1 into outfile 'body_one.txt'
create table loaded (id int, name varchar(20))
load data infile 'body_parent.txt' into table loaded
load data infile 'body_one.txt' ignore into table loaded fields terminated by ',' optionally enclosed by '"' (id, @name) set name = upper(@name)
[13] load data infile 'body_nothing.txt' into table loaded
load data local infile 'three lines' into table loaded fields terminated by ',' lines terminated by '\n' ignore 1 lines
load data local infile 'three lines' replace into table loaded character set latin1 fields terminated by ','
[1146] load data local infile 'three lines' into table nothing
[1064] load data infile into loaded
select load_file('/etc/hostname') is null

# ---- Queries

select 1
SELECT 1 + 1 AS two, 'x' 'y' "z"
select distinct name from t where name is not null group by name having count(*) > 0 order by 1 desc limit 5 offset 1
select sql_no_cache * from parent
select straight_join p.id from parent p left join child c using (id) natural join t where p.id in (1, 2, 3) or exists (select 1 from child)
select * from parent cross join (select 1 as one) d where (id, one) = (1, 1)
select id from parent union select id from child union all (select 5 limit 1) except select 6 intersect select 7 order by 1
select * from parent where name = any (select name from t) and id <> all (select id from child)
select * from parent for update
select * from parent lock in share mode
select * from parent where id = 1 for update skip locked
select id into @found from parent limit 1
select @found, @a := 5, @b := concat('x', @a), @@version_comment, @@session.sql_mode
select case when 1 then 'a' else 'b' end, if(1, 2, 3), ifnull(null, 'n'), coalesce(null, 1)
with x as (select 1 as a union all select 2) select * from x join x as y using (a)
with recursive n as (select 1 as i union all select i + 1 from n where i < 50) select sum(i) from n
with a as (select 1 as i), b as (select i + 1 as j from a) select * from a, b
select id, row_number() over (order by id), rank() over w, sum(id) over (partition by id % 2 rows between 1 preceding and current row) from parent window w as (order by name)
select lag(id) over (order by id), lead(name, 2) over (order by id), ntile(3) over (order by id), first_value(id) over (order by id) from parent
select json_extract(doc, '$.a[2].b'), json_value(doc, '$.a[0]'), json_set(doc, '$.new', 5) from json_t
select * from json_table('[{"x": 1}, {"x": 2}]', '$[*]' columns (x int path '$.x')) as j
select json_arrayagg(id), json_objectagg(id, name) from parent
select group_concat(name order by id desc separator '; ') from parent
select * from texts where match (t) against ('fox -dogs' in boolean mode)
select * from versioned for system_time all
select * from versioned for system_time as of now()
select id % 2 as odd, count(*) from parent group by odd with rollup
select * from t where at between '2020-01-01' and now() + interval 1 day
select date_format(now(), '%Y-%m-%d'), timestampdiff(hour, '2026-01-01', now()), extract(year from now())
select 'a' like 'A%', 'b' regexp '^[a-c]', 'x' rlike binary 'X', not 1, 5 div 2, 5 mod 2, 1 << 3, ~0, !0
select x'4142', 0x4344, b'1010', _latin1'abc', _utf8mb4'x' collate utf8mb4_bin, n'national', 1e10, .5, -0.0, true, null
select date '2026-01-01', time '10:20:30', timestamp '2026-01-01 10:20:30'
select cast('5' as unsigned), convert('x' using latin1), binary 'a', char(65, 66 using utf8mb4)
select uuid() is not null, rand(5), sleep(0), benchmark(10, md5('x')), last_insert_id(), row_count(), found_rows()
select * from information_schema.tables where table_schema = 'body' limit 3
select user, host from mysql.user where user = 'root'
select count(*) from performance_schema.setup_consumers
values (1, 2), (3, 4)
[1064] table parent
(select 1)
((select 1 union select 2) limit 1)
do sleep(0), @x := 5
select * from parent procedure analyse()
select * from seq_5_to_1_step_2
[4091] select nextval(nothing_like_it) from dual where 0
select 1 from dual where false
[1146] select * from nothing
[1054] select nope from parent
[1054] select p.nope from parent p
[1051] select x.* from parent
[1052] select id from parent, child
[1066] select * from parent, parent
[1064] select * from (select 1)
[1222] select 1 union select 1, 2
[1241] select (select 1, 2)
[1242] select (select id from parent)
[1111] select count(*) from parent where count(*) > 1
[1054] select a + 1 as b, b as a from (select 1 as a) d group by c having nope > b order by nothing_here(b)
[1305] select no_such_function(1)
[1582] select concat()
[1582] select abs(1, 2)
[1054] select * from parent order by nope
[1054] select * from parent group by 9
[1064] select
[1064] select * form parent
[1064] select 'not ended
[1064] select 1 +
[1064] ^
[1096] select *
[1139] select 'a' regexp '('
[1690] select 18446744073709551615 + 1
[1690] select exp(1000)
select _latin1'a' collate latin1_bin = _utf8mb4'b' collate utf8mb4_bin
[1253] select _latin1'a' collate utf8mb4_bin
[1273] select 'a' collate nothing
[1176] select * from parent force index (nothing)
[1235] select * from parent where id in (select id from child limit 1)
[1064] select row_number() from parent
[4008] with recursive r as (select 1 union all select count(*) from r) select * from r
[1146] select * from nowhere.nothing
[1305] select nothing()
delete history from versioned before system_time '2020-01-01'
[4124] select * from parent for system_time all

# ---- White space, comments, hints and odd characters

   select 1
«09 0a 20»select 2«20 0a»
select 3;
select 4 ;«20»
[1064]   ;  select 5
/* a comment */ select 6
select /* in ; it */ 7
select 8 -- behind it
select 9 # too
-- before it«0a»select 10
#first«0a»-- second«0a»/* third */«0a»select 11
/*! select 12 */
select /*!50101 13 */
select /*M!100100 14 */
select /*!99999 nothing */ 15
select /*+ no such hint */ 16
[1064] select 17 /* not ended
/*!999999 nothing runs */ select 18
select«0a»19«0d 0a»,«09»20
SeLeCt 20 fRoM dUaL
select 'a''b', "c""d", 'e\'f', 'g;h', "i -- j", 'k /* l', `name` from parent limit 1
select 'zoë', 'naïve café', '日本語', '🦀🦀', 'ﷺ', '́'
select 'é' as `é`, 1 as `日本`, 2 as `a;b`
select '«ff fe»'
select 'nul «00» in it'
select '«01 02 1b 7f»'
select x'', '', "", n''
select 'a«0a»b«0a»c'
select 'tab«09»tab'
select '%', '_', '\%', '\_', '%s %d %n', '?', '$1', ':x', '@'
select 1;
select 1;;
[1065] ;
[1065] «20»
-- nothing
/* nothing */
# nothing
[1065] ;;
[1064] select 1; ; select 2
[1064] «ff»
[1065] «00»
[1064] «e2 80 8b»select 1
[1064] select「1」
set names latin1
select 'zo«eb»', '«e9 e8»'
select 'caf«e9»' as `caf«e9»`
insert into latin values ('na«ef»ve'), ('«80»uro')
[1146] select 'x' from na«ef»ve
set names cp1250
select '«9a»'
set character set utf8mb4
set names sjis
[1115] set names nothing
set names utf8mb4
set sql_mode = 'ansi_quotes'
select 'x' as "y;z", "name" from "parent" limit 1
[1054] select "no column"
set sql_mode = 'no_backslash_escapes'
select 'ends with \', 'next'
set sql_mode = 'pipes_as_concat,ignore_space'
select 'a' || 'b', concat ('c')
set sql_mode = oracle
select 1 from dual
begin select 5; end;
set sql_mode = default

# ---- Several statements in one message

select 1; select 2
select 1; select 2;
select 1 ; select 2 ; select 3 ;«20 20»
select 'a;b'; select "c;d"; select `name` from parent limit 1
insert into loaded values (1, 'm'); update loaded set name = 'n' where id = 1; delete from loaded where id = 1; select row_count()
create table multi (a int); insert into multi values (1), (2); select * from multi; drop table multi
begin; insert into loaded values (9, 'x'); rollback
set @x = 1; set @y = 2; select @x + @y
/* one */ select 1; /* two */ select 2 /* three */; select 3 -- four
select 1;«0a»-- between«0a»select 2;«0a»
select 1; select 'é'; select '🦀'; select 4
[1146] select 1; select * from nothing; select 3
[1064] select 1; selec 2; select 3
[1064] selec 1; select 2
[1062] insert into loaded values (5, 'a'); insert into parent values (1, 'x'); insert into loaded values (6, 'b')
[1054] set @x = 1; select nope; select 1
[1242] select 1; select (select id from parent); select 1
select 1; use body; select database()
create procedure in_multi() begin select 1; select 2; end; call in_multi(); drop procedure in_multi
[1305] call in_nothing_yet; select 1
[1064] select 1; call mysql.AddGeometryColumn('', '', '', '', 1); select 2

# ---- Views

create view names as select id, name from parent where name is not null
create or replace algorithm=merge definer=current_user sql security invoker view names as select id, name from parent where id < 100 with check option
create view of_view as select n.id from names n join child c on c.parent = n.id
create view if not exists names as select 1
alter view of_view as select id from names
select * from of_view
insert into names values (50, 'fifty')
update names set name = 'fünfzig' where id = 50
delete from names where id = 50
show create view names
[1369] insert into names values (500, 'x')
[1050] create view names as select 1
[1146] create view broken as select * from nothing
[1054] create view broken as select nope from parent
[1351] create view broken as select @x
[4092] drop view parent
[4092] drop view nothing
update of_view set id = 1 where id in (select 1)
create table under (a int, b int)
create view over_it as select a, b from under
alter table under drop column b
[1356] select * from over_it
drop view over_it, of_view
drop view if exists over_it, names
drop table under

# ---- Stored programs

create function twice(x int) returns int deterministic return x * 2
<<<
create procedure several(in a int, out b int, inout c int)
  comment 'several; statements'
begin
  declare done int default 0;
  declare v int;
  declare rows_of cursor for select id from parent;
  declare continue handler for not found set done = 1;
  open rows_of;
  repeat
    fetch rows_of into v;
  until done end repeat;
  close rows_of;
  set b = twice(a);
  set c = c + 1;
  if a > 100 then signal sqlstate '45000' set message_text = 'too large', mysql_errno = 5000; end if;
  select a, b, c;
end
>>>
create procedure writes() modifies sql data begin insert into loaded values (70, 'p'); update loaded set name = 'q' where id = 70; end
create procedure fails() begin insert into loaded values (71, 'p'); insert into nothing values (1); insert into loaded values (72, 'p'); end
create procedure handles() begin declare exit handler for sqlexception begin resignal; end; select * from nothing; end
create procedure swallows() begin declare continue handler for sqlexception select 'handled'; insert into nothing values (1); select 'after'; end
create procedure prepares() begin prepare inner_p from 'select ? + 1'; set @v = 1; execute inner_p using @v; deallocate prepare inner_p; end
create procedure recurses(n int) begin if n > 0 then call recurses(n - 1); end if; end
create procedure loops() begin declare i int default 0; again: loop set i = i + 1; if i > 5 then leave again; end if; end loop; for j in 1..3 do set @j = j; end for; end
create function counts() returns int reads sql data return (select count(*) from parent)
create function writes_f() returns int modifies sql data begin insert into loaded values (80, 'f'); return row_count(); end
create or replace function twice(x int) returns int deterministic return x + x
create aggregate function my_sum(x int) returns int begin declare s int default 0; declare continue handler for not found return s; loop fetch group next row; set s = s + x; end loop; end
set @c = 5
call several(4, @b, @c)
select @b, @c
call writes()
call writes
[1146] call fails()
[1146] call handles()
call swallows()
call prepares()
call loops()
[1456] call recurses(3)
set max_sp_recursion_depth = 10
call recurses(3)
select twice(21), counts(), writes_f()
select my_sum(id) from parent
select twice(id) from parent where twice(id) > 4
set @r = writes_f()
[5000] call several(101, @b, @c)
[1318] call several(1)
[1305] call nothing()
[1414] call several(1, 2, @c)
[1304] create procedure writes() select 1
[1305] drop procedure nothing
[1305] drop function nothing
[1320] create function no_return() returns int begin set @x = 1; end
[1415] create function sends() returns int begin select 1; return 1; end
[1324] create procedure broken() begin fetch nothing into @x; end
[1327] create procedure broken() begin select 1 into nothing; end
[1064] create procedure broken() begin select 1
[1308] create procedure broken() begin leave nothing; end
[1314] create procedure broken() use body
[1305] select twice(1), (select writes_ddl() from dual)
show create procedure several
show create function twice
show procedure status like 'sev%'
show function status where db = 'body'
alter procedure writes comment 'changed' sql security invoker
alter function counts reads sql data
begin not atomic declare v int default 3; select v; insert into loaded values (v, 'anonymous'); end
if 1 then select 'if'; else select 'else'; end if
case 1 when 1 then select 'case'; end case
[1644] signal sqlstate '45000' set message_text = 'my own; message'
[1644] signal sqlstate '77777'
[1645] resignal
get diagnostics @conditions = number
[1042] signal sqlstate '08S01' set mysql_errno = 1042
signal sqlstate '01000' set message_text = 'a warning'

# ---- Triggers and events

create trigger before_parent before insert on parent for each row set new.name = trim(new.name)
create trigger after_parent after insert on parent for each row insert into loaded values (new.id, concat('t ', new.name))
create or replace trigger after_parent after insert on parent for each row begin insert into loaded values (new.id, 't'); end
create or replace trigger after_parent after insert on parent for each row begin insert into loaded values (new.id, 't'); end
create trigger refuses before delete on parent for each row begin if old.id = 4 then signal sqlstate '45000' set message_text = 'not this'; end if; end
create trigger into_nothing after update on parent for each row insert into nothing values (1)
insert into parent values (30, ' thirty '), (31, ' x')
[1644] delete from parent where id = 4
delete from parent where id = 31
[1146] update parent set name = 'z' where id = 30
drop trigger into_nothing
[1360] drop trigger into_nothing
[1359] create trigger refuses before delete on parent for each row set @x = 1
[1363] create trigger wrong after delete on parent for each row set new.id = 1
[1146] create trigger wrong after delete on nothing for each row set @x = 1
create trigger itself after insert on made for each row delete from made
[1442] insert into made values (1)
drop trigger if exists itself
show triggers like 'parent'
show create trigger refuses
create event later on schedule every 1 day starts now() + interval 1 year disable do insert into loaded values (1, 'event')
create event if not exists later on schedule at now() + interval 5 year do select 1
alter event later rename to much_later comment 'x'
show events
show create event much_later
[1537] create event much_later on schedule every 1 hour do select 1
[1539] drop event nothing
[1542] create event broken on schedule every 0 second do select 1
drop event much_later
drop event if exists much_later

# ---- Partitions, sequences, temporary tables

create table parts (id int not null, at date, key (id)) partition by range (id) (partition p0 values less than (10), partition p1 values less than (20), partition rest values less than maxvalue)
create table by_list (a int) partition by list (a) (partition odd values in (1, 3, 5), partition even values in (2, 4))
create table by_hash (a int) partition by hash (a) partitions 3
create table by_key (a int primary key) partition by key () partitions 2
create table by_month (at date) partition by range columns (at) (partition old values less than ('2025-01-01'), partition new values less than (maxvalue))
insert into parts values (1, '2025-01-01'), (15, '2025-01-01'), (25, '2026-01-01')
select * from parts partition (p0, p1)
update parts set id = 16 where id = 1
delete from parts partition (rest)
[1526] insert into by_list values (9)
[1748] insert into parts partition (p0) values (15, null)
[1735] select * from parts partition (nothing)
alter table parts reorganize partition rest into (partition p2 values less than (30), partition rest values less than maxvalue)
alter table parts truncate partition p0
alter table parts drop partition p0
alter table by_hash add partition partitions 1
alter table by_hash coalesce partition 1
alter table parts analyze partition p1
alter table by_key remove partitioning
create table swapped like by_key
[1505] alter table by_key drop partition p0
[1507] alter table parts drop partition nothing
[1508] alter table by_list drop partition odd, even
[1493] create table wrong (a int) partition by range (a) (partition a values less than (5), partition b values less than (5))
[1503] create table wrong (a int primary key, b int) partition by hash (b)
[1492] create table x (a int) partition by range (a)
create sequence numbers start with 5 increment by 5 maxvalue 15 cache 2
create or replace sequence numbers start 1 minvalue 1 maxvalue 3 nocycle nocache
select nextval(numbers), next value for numbers, lastval(numbers), previous value for numbers
select setval(numbers, 3)
[4084] select nextval(numbers)
alter sequence numbers restart 1 cycle
show create sequence numbers
[4089] select nextval(parent)
[4085] create sequence broken start 5 maxvalue 3
[1050] create sequence parent
drop sequence numbers
[4091] drop sequence numbers
drop sequence if exists numbers
create temporary table temp (a int, b text)
create temporary table if not exists temp (a int)
create or replace temporary table temp (a int primary key) as select 1 as a
insert into temp values (2), (3)
select * from temp
select * from temp a, temp b where a.a = b.a and (select max(a) from temp) > 0
alter table temp add b int
[1062] insert into temp (a) values (2)
truncate temp
drop temporary table temp
[1051] drop temporary table temp

# ---- Transactions

begin
insert into loaded values (100, 'in transaction')
savepoint one
update loaded set name = 'x' where id = 100
savepoint two
rollback to savepoint one
rollback to one
release savepoint one
[1305] rollback to savepoint two
[1305] release savepoint nothing
commit
start transaction with consistent snapshot, read only
[1792] insert into loaded values (101, 'read only')
commit and chain
rollback work and no chain no release
rollback and no chain no release
start transaction read write
rollback work
set autocommit = 0
insert into loaded values (102, 'x')
commit
set autocommit = 1
set transaction isolation level serializable
set session transaction isolation level repeatable read
set global transaction isolation level read committed
set global transaction isolation level repeatable read
begin
[1568] set transaction isolation level serializable
rollback
xa start 'one'
insert into loaded values (103, 'xa')
[1399] begin
[1399] xa commit 'one'
xa end 'one'
xa prepare 'one'
xa recover
[1399] xa start 'one'
xa commit 'one'
xa start 'two', 'branch', 7
xa end 'two', 'branch', 7
xa commit 'two', 'branch', 7 one phase
xa start x'7468726565'
xa end x'7468726565'
xa rollback 'three'
[1397] xa commit 'nothing'
[1398] xa start 'x' join
lock tables parent read, child write
[1100] insert into parent values (200, 'x')
[1100] select * from loaded
select count(*) from parent
unlock tables
lock table parent as p write, loaded read local
unlock tables
[1146] lock tables nothing read
flush tables parent with read lock
unlock tables
backup stage start
backup stage end
backup lock parent
backup unlock

# ---- Prepared statements in SQL

prepare one from 'select ? + ?'
set @one = 1, @two = '2'
execute one using @one, @two
execute one using 5, 6.5
[1054] execute one using null, default_is_no_value
prepare one from 'select * from parent where id = ? and name <> ?'
execute one using 1, 'x''y'
set @text = 'insert into loaded values (?, ?)'
prepare two from @text
execute two using 110, 'zoë; 🦀'
execute two using 111, null
prepare three from 'call several(?, ?, ?)'
execute three using 3, @b, @c
prepare four from 'create table if not exists prepared_t (a int)'
execute four
execute four
prepare five from concat('select ', ''';''')
execute five
execute immediate 'select 1 + ?' using 2
execute immediate 'create or replace table prepared_t (b int)'
[1146] execute immediate 'select * from nothing'
[1064] execute immediate 'selec 1'
[1064] prepare broken from 'selec 1'
[1146] prepare broken from 'select * from nothing'
[1243] execute broken
[1243] execute nothing using 1
[1210] execute one using 1
[1243] deallocate prepare nothing
prepare no_use from 'load data infile ''x'' into table loaded'
[1295] prepare nested from 'prepare inner_one from ''select 1'''
prepare dup from 'insert into parent values (?, ?)'
[1062] execute dup using 1, 'dup'
[1406] execute dup using 300, 'a name that is too long for it'
deallocate prepare one
drop prepare two
select 1; execute five; select 2
select 1; execute dup using 301, 'three hundred'
[1062] select 1; execute dup using 301, 'again'

# ---- Prepared statements by the protocol

[exec] select 1
[exec 1, "two", 3.5, null] select ?, ?, ?, ?
[exec "zoë 🦀; it's \"q\" \\ \n"] select ?
[exec 400, "four hundred"] insert into parent values (?, ?)
[exec 401, "x"] insert into parent values (?, ?) on duplicate key update name = 'y'
[exec "401"] update parent set name = ? where id = 401
[exec 401] delete from parent where id = ?
[exec 5] select id from parent where id > ? order by id limit 2
[exec] create or replace table prepared_t (c int)
[exec] show tables
[exec] begin
[exec 1] insert into loaded values (?, 'p')
[exec] rollback
[exec 6] call several(?, @b, @c)
[exec 2] set @v = ?
[exec -9223372036854775808, 9223372036854775807, 0.1, -1e300, ""] select ?, ?, ?, ?, ?
[exec 5, 6] /* a ? comment */ select ?, '?', "?", `id` -- ?«0a» from parent where id <> ? limit 1
[exec] select 'no values ?'
[exec 1] select * from parent where id = ?;«20»
[1062] [exec 400, "again"] insert into parent values (?, ?)
[1452] [exec 1, 999] insert into child values (?, ?)
[1406] [exec 500, "a name that is too long for it"] insert into parent values (?, ?)
[1242] [exec 1] select ? + (select id from parent)
[1146] [exec] select * from nothing where a = ?
[1064] [exec] selec ?
[1054] [exec 1] select nope from parent where id = ?
[13] [exec] load data infile 'x' into table loaded
[1064] [exec] select 1; select 2
[1065] [exec] «»

# ---- Other commands of the protocol

[command 2] body
[1049] [command 2] nowhere
[command 14] «»
[command 9] «»
[command 4] parent«00»
[command 27] «01 00»
[1064] select 'no several', 1; select 2
[command 27] «00 00»
select 'several again', 1; select 2
[command 13] «»
[command 31] «»
use body

# ---- What the server says of itself

show databases like 'bo%'
show full tables from body where table_type = 'BASE TABLE'
show full columns from parent
show columns from t like 'n%'
show index from t in body
show create table child
show create database body
show table status like 'parent'
show open tables
show variables like 'version%'
show global variables where variable_name = 'port'
show session status like 'Com_select'
show global status like 'Uptime'
show processlist
show full processlist
show engines
show engine innodb status
show plugins
show privileges
show character set like 'utf8%'
show collation where charset = 'latin1'
show grants
show warnings
show errors limit 1
show count(*) warnings
show profiles
show storage engines
show contributors
show slave status
[1381] show binary logs
[1094] show explain for 1
[1146] show create table nothing
[1146] show columns from nothing
[1049] show tables from nowhere
[1347] show create view parent
[1305] show create procedure nothing
[1064] show nothing at all
explain select * from parent where id = 1
explain extended select * from parent p join child c on c.parent = p.id
explain format=json select * from t where name = 'anna'
explain partitions select * from parts where id = 15
explain update parent set name = 'x' where id = 999
explain delete from parent where id = 999
explain insert into loaded values (1, 'x')
analyze select * from parent where id > 1
analyze format=json select count(*) from t
analyze update loaded set name = 'a' where id = 1
describe parent
desc parent name
explain parent
[1146] explain select * from nothing
help 'select'
handler parent open as h
handler h read first
handler h read `PRIMARY` = (1)
handler h read next limit 2
handler h close
[1109] handler h read first
[1146] handler nothing open
flush tables
flush tables parent, child
flush status
flush privileges
flush local logs
flush engine logs
flush query cache
flush user_resources
flush table_statistics
reset query cache
[1064] flush nothing
cache index old in default
load index into cache old
[1064] install soname 'nothing' , x
[1126] install soname 'no_such_library'
[1305] uninstall plugin nothing
[1094] kill 99999999
[1094] kill query 99999999
kill user nobody_at_all

# ---- Settings

set @a = 1, @b := 'two', @`odd name` = null
set session sort_buffer_size = 262144
set global max_connections = 100
set @@session.lock_wait_timeout = 5, @@global.connect_timeout = 10
set local sql_select_limit = default
set statement max_statement_time = 5 for select 1
set statement sort_buffer_size = 100000, sql_mode = '' for select 1 / 0
set names utf8mb4 collate utf8mb4_bin
set character set default
set time_zone = '+02:00'
set timestamp = 1767225600
select now(), unix_timestamp()
set timestamp = default
set insert_id = 5000
set last_insert_id = 7
set rand_seed1 = 5
set role none
set password = ''
set default role none
set sql_log_off = 0
set foreign_key_checks = 0
set foreign_key_checks = 1
[1193] set nothing = 1
[1193] set @@global.nothing = 1
[1231] set sql_mode = 'nothing'
[1232] set sort_buffer_size = 'word'
[1238] set @@session.port = 5
[1229] set session max_connections = 5
[1228] set global timestamp = 5
[1298] set time_zone = 'Nowhere/Nothing'
[1064] set
[1959] set role nobody
[1054] set @x = nope

# ---- Users, roles and rights

create user eve@localhost identified by 'correct horse'
create user if not exists eve@localhost
create user mallory@localhost identified by 'hunter2' require ssl with max_queries_per_hour 100 account lock
create or replace user trent@'%' identified via mysql_native_password using '*94BDCEBE19083CE2A1F959FD02F964C7AF4CFC29'
alter user trent@'%' identified by 'another secret'
set password for trent@'%' = password('third secret')
rename user trent@'%' to walter@'%'
create role reader, writer with admin current_user
grant select on body.* to reader
grant insert (id, name), update (name) on body.parent to writer
grant reader to eve@localhost with admin option
grant select, insert on body.loaded to eve@localhost
grant execute on procedure body.writes to eve@localhost
grant usage on *.* to walter@'%' identified by 'fourth secret'
grant proxy on walter@'%' to eve@localhost
set default role reader for eve@localhost
show grants for eve@localhost
show create user eve@localhost
revoke insert (id) on body.parent from writer
revoke proxy on walter@'%' from eve@localhost
[1396] create user eve@localhost identified by 'again'
[1396] drop user nobody@nowhere
[1396] drop role nobody
[1133] grant select on body.* to nobody@nowhere
[1141] show grants for nobody@nowhere
[1147] revoke select on body.nothing from eve@localhost
[1146] grant select on body.nothing_here to eve@localhost
[1133] set password for nobody@nowhere = password('x')
[1064] create user identified by 'x'
[1372] set password = 'not a hash'
[1064] create user x identified by 'unterminated
drop user walter@'%', mallory@localhost

== eve as eve
select current_user(), current_role(), database()
use body
select count(*) from parent
insert into loaded values (600, 'eve')
[1142] call writes()
[1142] delete from loaded
[1142] select * from mysql.user
[1142] drop table parent
[1142] create table mine (a int)
[1044] create database mine
[1044] use mysql
[1227] create user x@localhost
[1227] set global max_connections = 5
[1227] shutdown
[1370] call several(1, @a, @b)
[1142] update parent set name = 'x'
[1227] select 1 into outfile 'eve.txt'
[1094] kill 1
[1044] grant select on body.* to eve@localhost
set role none
[1142] select count(*) from parent
set role reader
show grants
[1142] [exec 1] delete from parent where id = ?

# ---- Two sessions at once

== anna
set innodb_lock_wait_timeout = 1
begin
update parent set name = 'mine' where id = 1

== bert
use body
set innodb_lock_wait_timeout = 1
[1205] update parent set name = 'bert' where id = 1
[1205] select * from parent where id = 1 for update nowait
set statement innodb_lock_wait_timeout = 0 for select * from parent where id = 5 for update
select * from parent where id = 1 for update skip locked
set innodb_lock_wait_timeout = 50
begin
update parent set name = 'bert' where id = 5
update parent set name = 'bert' where id = 6
update parent set name = 'bert' where id = 7

# The one that changed less is the victim.
[send] update parent set name = 'bert' where id = 1
== anna
[1213] update parent set name = 'anna' where id = 5
== bert
[got]
commit
lock tables parent write
== anna
set lock_wait_timeout = 1
[1205] alter table parent add column late int
[send] select count(*), 'waits for the lock' from parent
== bert
unlock tables
== anna
[got]
select get_lock('body', 0)
== bert
[send] select get_lock('body', 30)
== anna
select release_lock('body')
== bert
[got]
[send] select sleep(50), 'killed'
== anna
kill query «id bert»
== bert
[1317] [got]
[send] insert into loaded select 700, sleep(50)
== anna
kill query «id bert»
== bert
[1317] [got]
[send] select 1; select sleep(50); select 3
== anna
kill hard query «id bert»
== bert
[1317] [got]
[send] begin not atomic select 1; select sleep(50); select 2; end
== anna
kill query «id bert»
== bert
[1317] [got]
== bert
[1969] set statement max_statement_time = 0.1 for select sleep(50)
set max_statement_time = 0.05
[1969] select sleep(50), 'too slow'
[1969] select count(*) from seq_1_to_100000 a, seq_1_to_100000 b
[1969] [exec 50] select sleep(?)
set max_statement_time = 0
[send] select sleep(50), 'its connection is killed'
== anna
kill connection «id bert»
== bert
[2013] [got]

# ---- The end

== eve
select 'eve was here'
== eve is gone
== anna
drop user eve@localhost
drop role reader, writer
drop procedure several
drop function if exists twice
drop table parts, by_list, by_hash, by_key, by_month
[1051] drop table nothing, made
drop table if exists made, nothing
drop tables child
drop table parent cascade
[1010] drop database body
select 'the end'
