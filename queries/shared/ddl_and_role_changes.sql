-- question: Who changed tables, functions, users or rights?
-- param:  since | time | UTC | 1970-01-01T00:00:00Z | first moment asked for
-- param:  until | time | UTC | 9999-12-31T23:59:59Z | first moment no longer asked for
-- column: time_text | text | UTC | when the statement reached the server
-- column: seq | integer | - | place in the trail
-- column: class | text | - | DDL or ROLE
-- column: db_operation_name | text | - | CREATE TABLE, GRANT ...
-- column: db_system_name | text | - | the database product
-- column: db_namespace | text | - | current database
-- column: db_user | text | - | user who logged in
-- column: client_address | text | - | address of the client
-- column: application_name | text | - | what the client calls itself
-- column: status | text | - | ok, error, running or unknown
-- column: status_code | text | - | SQLSTATE or error number
-- column: db_query_text | text | - | the statement
select time_text, seq, class, db_operation_name, db_system_name, db_namespace, db_user, client_address,
       application_name, status, status_code, db_query_text
from events
where class in ('DDL', 'ROLE') and time >= $since and time < $until
order by seq
