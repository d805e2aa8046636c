-- question: What did a user do?
-- param:  user | text | - | required | the user's name, as logged in with
-- param:  since | time | UTC | 1970-01-01T00:00:00Z | first moment asked for
-- param:  until | time | UTC | 9999-12-31T23:59:59Z | first moment no longer asked for
-- column: time_text | text | UTC | when it reached the server
-- column: seq | integer | - | place in the trail
-- column: kind | text | - | query, connect, disconnect or auth_failure
-- column: db_system_name | text | - | the database product
-- column: db_namespace | text | - | current database
-- column: client_address | text | - | address of the client
-- column: application_name | text | - | what the client calls itself
-- column: session_id | text | - | names the session on its server
-- column: status | text | - | ok, error, running or unknown
-- column: status_code | text | - | SQLSTATE or error number
-- column: rows_returned | integer | rows | rows sent to the client
-- column: rows_affected | integer | rows | rows changed
-- column: duration_us | integer | microseconds | from arrival to end
-- column: repeat_count | integer | events | how many events the row stands for
-- column: db_query_text | text | - | the statement
select time_text, seq, kind, db_system_name, db_namespace, client_address, application_name, session_id, status,
       status_code, rows_returned, rows_affected, duration_us, repeat_count, db_query_text
from events
where db_user = $user and time >= $since and time < $until
order by seq
