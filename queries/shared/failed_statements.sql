-- question: Which statements and logins failed, and why?
-- param:  user | text | - | none | only this user's
-- param:  since | time | UTC | 1970-01-01T00:00:00Z | first moment asked for
-- param:  until | time | UTC | 9999-12-31T23:59:59Z | first moment no longer asked for
-- column: time_text | text | UTC | when it reached the server
-- column: seq | integer | - | place in the trail
-- column: kind | text | - | query, or auth_failure for a login
-- column: db_system_name | text | - | the database product
-- column: db_namespace | text | - | current database
-- column: db_user | text | - | user who logged in or tried to
-- column: client_address | text | - | address of the client
-- column: application_name | text | - | what the client calls itself
-- column: status_code | text | - | SQLSTATE or error number
-- column: error_message | text | - | the server's message
-- column: repeat_count | integer | events | how many events the row stands for
-- column: db_query_text | text | - | the statement
select time_text, seq, kind, db_system_name, db_namespace, db_user, client_address, application_name, status_code,
       error_message, repeat_count, db_query_text
from events
where (status = 'error' or kind = 'auth_failure')
  and ($user is null or db_user = $user)
  and time >= $since and time < $until
order by seq
