//! Texts, and what they are said to do.

use super::{Class, classify};
use crate::flow::Dialect::{self, Mysql, Postgres};

fn check(dialect: Dialect, text: &str, expect: &str) {
    let found = classify(text, dialect);
    assert_eq!(
        format!("{} {}", found.class, found.operation).trim_end(),
        expect,
        "{dialect:?} {text:?}"
    );
}

#[test]
fn both_dialects() {
    for dialect in [Postgres, Mysql] {
        for (text, expect) in [
            ("", "MISC"),
            ("-- nothing", "MISC"),
            ("hunter2", "MISC"),
            ("'x'", "MISC"),
            ("; ;select 1", "READ SELECT"),
            ("select 1; drop table t", "READ SELECT"),
            ("/* c */ ( (select 1) union select 2)", "READ SELECT"),
            ("SELECT * FROM t FOR UPDATE", "READ SELECT"),
            ("TABLE t", "READ TABLE"),
            ("values (1), (2)", "READ VALUES"),
            ("Insert into t select * from u", "WRITE INSERT"),
            ("update t set a = 1", "WRITE UPDATE"),
            ("delete from t", "WRITE DELETE"),
            ("truncate t", "WRITE TRUNCATE"),
            ("with a as (select 1) select * from a", "READ SELECT"),
            (
                "with recursive a(n) as (values (1)) insert into t select * from a",
                "WRITE INSERT",
            ),
            (
                "with a as (select 1), b as (select 2) delete from t",
                "WRITE DELETE",
            ),
            (
                "with a as (select 1) select * from a for update",
                "READ SELECT",
            ),
            (
                "with a as (delete from t returning *) select * from a",
                "WRITE SELECT",
            ),
            ("with a as (sel", "READ WITH"),
            ("explain select 1", "READ EXPLAIN"),
            ("explain delete from t", "READ EXPLAIN"),
            ("explain analyze select 1", "READ EXPLAIN"),
            ("EXPLAIN ANALYZE update t set a = 1", "WRITE EXPLAIN"),
            ("explain", "READ EXPLAIN"),
            ("call p(1)", "FUNCTION CALL"),
            ("do 'x'", "FUNCTION DO"),
            ("grant select on t to u", "ROLE GRANT"),
            ("revoke all on t from u", "ROLE REVOKE"),
            ("create role r", "ROLE CREATE ROLE"),
            ("alter user u password 'x'", "ROLE ALTER USER"),
            ("drop user if exists u", "ROLE DROP USER"),
            (
                "create table if not exists role (a int)",
                "DDL CREATE TABLE",
            ),
            ("create temporary table t as select 1", "DDL CREATE TABLE"),
            ("create unique index i on t (a)", "DDL CREATE INDEX"),
            ("create or replace view v as select 1", "DDL CREATE VIEW"),
            ("alter table t add a int", "DDL ALTER TABLE"),
            ("drop database d", "DDL DROP DATABASE"),
            ("drop", "DDL DROP"),
            ("create server s", "DDL CREATE SERVER"),
            ("begin", "MISC BEGIN"),
            ("START TRANSACTION read only", "MISC START TRANSACTION"),
            ("commit;", "MISC COMMIT"),
            ("rollback to savepoint a", "MISC ROLLBACK"),
            ("set a = 1", "MISC SET"),
            ("set session a = 1", "MISC SET"),
            ("set role r", "MISC_SET SET ROLE"),
            ("show tables", "MISC SHOW"),
            ("prepare a from 'x'", "MISC PREPARE"),
            ("execute a", "MISC EXECUTE"),
            ("lock table t", "MISC LOCK"),
            ("start", "MISC"),
        ] {
            check(dialect, text, expect);
        }
    }
}

#[test]
fn postgres() {
    for (text, expect) in [
        ("select a into t from u", "DDL SELECT INTO"),
        (
            "with a as (select 1) select * into t from a",
            "DDL SELECT INTO",
        ),
        ("select (select 1 into x)", "READ SELECT"),
        ("copy t from stdin", "WRITE COPY"),
        ("COPY t (a, \"from\") TO STDOUT", "READ COPY"),
        ("copy (select * from t) to '/tmp/x'", "READ COPY"),
        ("copy (delete from t returning *) to stdout", "WRITE COPY"),
        ("copy (select a from t for update) to stdout", "READ COPY"),
        (
            "copy (with a as (update t set b = 1 returning *) select * from a) to stdout",
            "WRITE COPY",
        ),
        ("prepare a as select 1", "READ PREPARE"),
        (
            "prepare \"as\" (int, text) as update t set a = $1",
            "WRITE PREPARE",
        ),
        (
            "prepare a as with x as (delete from t returning *) select * from x",
            "WRITE PREPARE",
        ),
        ("prepare a (int", "MISC PREPARE"),
        ("prepare transaction 'a'", "MISC PREPARE"),
        (
            "explain (analyze, buffers) insert into t values (1)",
            "WRITE EXPLAIN",
        ),
        (
            "explain (analyze off) insert into t values (1)",
            "READ EXPLAIN",
        ),
        (
            "explain analyze with a as (select 1) delete from t",
            "WRITE EXPLAIN",
        ),
        ("explain analyze create table t as select 1", "DDL EXPLAIN"),
        ("declare c cursor for select 1", "READ DECLARE"),
        ("fetch 10 from c", "MISC FETCH"),
        (
            "merge into t using u on a = b when matched then delete",
            "WRITE MERGE",
        ),
        (
            "set session authorization u",
            "MISC_SET SET SESSION AUTHORIZATION",
        ),
        ("set local role none", "MISC_SET SET ROLE"),
        ("reset role", "MISC_SET RESET ROLE"),
        ("reset all", "MISC RESET"),
        (
            "alter default privileges grant select on tables to u",
            "ROLE ALTER DEFAULT PRIVILEGES",
        ),
        (
            "create default conversion c for 'a' to 'b' from f",
            "DDL CREATE CONVERSION",
        ),
        (
            "create user mapping for u server s",
            "DDL CREATE USER MAPPING",
        ),
        ("alter group g add user u", "ROLE ALTER GROUP"),
        (
            "create materialized view v as select 1",
            "DDL CREATE MATERIALIZED VIEW",
        ),
        (
            "refresh materialized view concurrently v",
            "DDL REFRESH MATERIALIZED VIEW",
        ),
        (
            "create foreign data wrapper w",
            "DDL CREATE FOREIGN DATA WRAPPER",
        ),
        ("drop owned by u", "DDL DROP OWNED"),
        ("reassign owned by u to v", "DDL REASSIGN OWNED"),
        (
            "create or replace function f() returns int as $$ x $$",
            "DDL CREATE FUNCTION",
        ),
        ("comment on table t is 'x'", "DDL COMMENT"),
        ("alter system set a = 1", "DDL ALTER SYSTEM"),
        ("vacuum full t", "MISC VACUUM"),
        ("analyze t", "MISC ANALYZE"),
        ("checkpoint", "MISC CHECKPOINT"),
        ("load 'x'", "MISC LOAD"),
    ] {
        check(Postgres, text, expect);
    }
}

#[test]
fn mysql() {
    for (text, expect) in [
        ("select a into @x from t", "READ SELECT"),
        ("select a into outfile '/tmp/x' from t", "READ SELECT"),
        ("/*!40101 SET NAMES utf8 */", "MISC SET"),
        (
            "/*!50003 CREATE*/ /*!50017 DEFINER=`root`@`localhost`*/ /*!50003 TRIGGER t */",
            "DDL CREATE TRIGGER",
        ),
        (
            "create definer = root@localhost sql security invoker view v as select 1",
            "DDL CREATE VIEW",
        ),
        (
            "create algorithm=merge definer=current_user() procedure p() begin end",
            "DDL CREATE PROCEDURE",
        ),
        ("replace into t values (1)", "WRITE REPLACE"),
        ("load data local infile 'x' into table t", "WRITE LOAD DATA"),
        ("set password for u = 'x'", "ROLE SET PASSWORD"),
        ("set default role r to u", "ROLE SET DEFAULT ROLE"),
        ("rename user a to b", "ROLE RENAME USER"),
        ("rename table a to b", "DDL RENAME TABLE"),
        ("drop prepare p", "MISC DROP PREPARE"),
        (
            "begin not atomic select 1; end",
            "FUNCTION BEGIN NOT ATOMIC",
        ),
        ("analyze format=json update t set a = 1", "WRITE ANALYZE"),
        ("analyze select 1", "READ ANALYZE"),
        ("analyze table t", "MISC ANALYZE TABLE"),
        ("explain format=json select 1", "READ EXPLAIN"),
        ("desc t", "READ DESC"),
        ("handler t read first", "READ HANDLER"),
        ("use d", "MISC USE"),
        ("kill 5", "MISC KILL"),
        ("install plugin p soname 'x'", "DDL INSTALL PLUGIN"),
        ("change master to master_host='x'", "MISC CHANGE MASTER"),
        ("optimize table t", "MISC OPTIMIZE"),
    ] {
        check(Mysql, text, expect);
    }
}

#[test]
fn a_class_is_stored_as_pgaudit_names_it() {
    let names: Vec<&str> = [
        Class::Read,
        Class::Write,
        Class::Function,
        Class::Role,
        Class::Ddl,
        Class::Misc,
        Class::MiscSet,
    ]
    .map(Class::as_str)
    .to_vec();
    assert_eq!(
        names,
        [
            "READ", "WRITE", "FUNCTION", "ROLE", "DDL", "MISC", "MISC_SET"
        ]
    );
}
