-- question: Who touched a table, and with which statement?
-- param:  table | text | - | required | the table's name, with or without its schema; A-Z and a-z are the same
-- param:  since | time | UTC | 1970-01-01T00:00:00Z | first moment asked for
-- param:  until | time | UTC | 9999-12-31T23:59:59Z | first moment no longer asked for
-- column: time_text | text | UTC | when the statement reached the server
-- column: seq | integer | - | place in the trail
-- column: db_system_name | text | - | the database product
-- column: db_namespace | text | - | current database
-- column: db_user | text | - | user who logged in
-- column: client_address | text | - | address of the client
-- column: application_name | text | - | what the client calls itself
-- column: class | text | - | READ, WRITE, DDL ...
-- column: status | text | - | ok, error, running or unknown
-- column: rows_returned | integer | rows | rows sent to the client
-- column: rows_affected | integer | rows | rows changed
-- column: db_query_text | text | - | the statement
-- note:   The name is looked for in `objects`, and as a word in the statement's template. So a name
-- note:   inside a literal or a comment does not count, but a column or an alias of that name does.
-- note:   A table that is only reached through a view, function or trigger is found where the server
-- note:   gives `objects`. Where the
-- note:   sql_mode of MariaDB or MySQL has ANSI_QUOTES, names in double quotes are taken for literals.
with recursive
-- What stands around a name becomes a space; quotes of identifiers go.
marks(step, mark, becomes) as (
    values (1, '"', ''), (2, '`', ''), (3, '.', ' '), (4, ',', ' '), (5, ';', ' '), (6, ':', ' '),
           (7, '(', ' '), (8, ')', ' '), (9, '[', ' '), (10, ']', ' '), (11, '{', ' '), (12, '}', ' '),
           (13, '=', ' '), (14, '<', ' '), (15, '>', ' '), (16, '+', ' '), (17, '-', ' '), (18, '*', ' '),
           (19, '/', ' '), (20, '?', ' '), (21, '\', ' '), (22, '"\t"' ->> '$', ' '), (23, '"\n"' ->> '$', ' '),
           (24, '"\r"' ->> '$', ' '), (25, '    ', ' '), (26, '  ', ' '), (27, '  ', ' '), (28, '  ', ' ')
),
texts(origin, name, content) as (
    select 'wanted', '', $table
    union all
    select 'fingerprint', fingerprint, db_query_template from statements
    union all
    select distinct 'objects', objects, objects from events where objects is not null
),
words(origin, name, content, step) as (
    select origin, name, ' ' || lower(content) || ' ', 1 from texts
    union all
    select words.origin, words.name, replace(words.content, marks.mark, marks.becomes), words.step + 1
    from words join marks on marks.step = words.step
),
found(origin, name) as materialized (
    select origin, name from words
    where step = 29
      and instr(content, (select content from words where origin = 'wanted' and step = 29)) > 0
)
select time_text, seq, db_system_name, db_namespace, db_user, client_address, application_name, class, status,
       rows_returned, rows_affected, db_query_text
from events
where time >= $since and time < $until
  and (fingerprint in (select name from found where origin = 'fingerprint')
       or objects in (select name from found where origin = 'objects'))
order by seq
