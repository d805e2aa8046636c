-- Gives DuckDB the names that the questions in ../shared/ and ../duckdb/ ask for, over a trail's Parquet files.
-- Run it in the trail's directory, or after `set file_search_path = 'DIR'`. It needs no extension.
--
-- `time` stays a TIMESTAMP WITH TIME ZONE, which DuckDB finds by the files' statistics; parameters of
-- type `time` are timestamps or ISO 8601 texts here, and microseconds since 1970 in SQLite. Shared
-- questions compare `time` with such parameters only, and show `time_text`, which is the same on both sides.

-- As in SQLite, only A-Z have a lower case.
create or replace macro lower(content) as
    translate(content, 'ABCDEFGHIJKLMNOPQRSTUVWXYZ', 'abcdefghijklmnopqrstuvwxyz');

create or replace view events as
select *,
       -- By way of epoch_us, since a session's time zone must not show in it.
       strftime(make_timestamp(epoch_us(time)), '%Y-%m-%dT%H:%M:%S.%fZ') as time_text
from read_parquet('archive/*/*.parquet', hive_partitioning = true, filename = true);

create or replace view statements as
select fingerprint,
       min(db_query_template) as db_query_template,
       min(class) as class,
       min(db_operation_name) as db_operation_name,
       min(time) as first_seen,
       max(time) as last_seen,
       cast(sum(repeat_count) as bigint) as count
from events
where fingerprint is not null
group by fingerprint;
