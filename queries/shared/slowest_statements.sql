-- question: Which statements took longest?
-- param:  since | time | UTC | 1970-01-01T00:00:00Z | first moment asked for
-- param:  until | time | UTC | 9999-12-31T23:59:59Z | first moment no longer asked for
-- param:  limit | integer | rows | 20 | how many
-- column: duration_us | integer | microseconds | from arrival to end
-- column: time_text | text | UTC | when the statement reached the server
-- column: seq | integer | - | place in the trail
-- column: db_system_name | text | - | the database product
-- column: db_namespace | text | - | current database
-- column: db_user | text | - | user who logged in
-- column: client_address | text | - | address of the client
-- column: application_name | text | - | what the client calls itself
-- column: status | text | - | ok, error, running or unknown
-- column: rows_returned | integer | rows | rows sent to the client
-- column: rows_affected | integer | rows | rows changed
-- column: db_query_text | text | - | the statement
-- note:   A row that stands for several events (repeat_count) has the sum of their durations.
-- The texts are put together only for the rows that are shown. Without `materialized`, SQLite would look for
-- them once for each segment.
with slowest as materialized (
    select seq
    from events
    where kind = 'query' and duration_us is not null and time >= $since and time < $until
    order by duration_us desc, seq
    limit $limit
)
select duration_us, time_text, seq, db_system_name, db_namespace, db_user, client_address, application_name, status,
       rows_returned, rows_affected, db_query_text
from events
where seq in (select seq from slowest)
order by duration_us desc, seq
