-- question: Which Parquet files are there, and what do they hold?
-- column: path | text | - | the file, relative to the trail's directory
-- column: rows | integer | rows | how many rows
-- column: first_seq | integer | - | the lowest seq
-- column: last_seq | integer | - | the highest seq
-- column: first_time_text | text | UTC | the earliest time
-- column: last_time_text | text | UTC | the latest time
-- note:   This is what the files hold. The question of the same name for SQLite asks the catalogue.
select regexp_extract(replace(filename, '\', '/'), 'archive/[^/]+/[^/]+$') as path,
       count(*) as rows,
       min(seq) as first_seq,
       max(seq) as last_seq,
       min(time_text) as first_time_text,
       max(time_text) as last_time_text
from events
group by filename
order by path
