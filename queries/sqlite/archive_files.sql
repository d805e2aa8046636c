-- question: Which Parquet files are there, and what do they hold?
-- column: path | text | - | the file, relative to the trail's directory
-- column: rows | integer | rows | how many rows
-- column: first_seq | integer | - | the lowest seq
-- column: last_seq | integer | - | the highest seq
-- column: first_time_text | text | UTC | the earliest time
-- column: last_time_text | text | UTC | the latest time
-- note:   This is what the catalogue says. The question of the same name for DuckDB counts the files' rows.
select path, rows, first_seq, last_seq,
       strftime('%Y-%m-%dT%H:%M:%S', first_time / 1000000, 'unixepoch') || printf('.%06dZ', first_time % 1000000)
           as first_time_text,
       strftime('%Y-%m-%dT%H:%M:%S', last_time / 1000000, 'unixepoch') || printf('.%06dZ', last_time % 1000000)
           as last_time_text
from archive_files
order by path
