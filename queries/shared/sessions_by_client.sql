-- question: From where did who connect, and how much did they do?
-- param:  since | time | UTC | 1970-01-01T00:00:00Z | first moment asked for
-- param:  until | time | UTC | 9999-12-31T23:59:59Z | first moment no longer asked for
-- column: client_address | text | - | address of the client, `local` for a unix socket
-- column: application_name | text | - | what the client calls itself
-- column: db_user | text | - | user who logged in
-- column: db_system_name | text | - | the database product
-- column: db_namespace | text | - | current database
-- column: sessions | integer | sessions | how many sessions
-- column: statements | integer | events | how many statements they sent
-- column: failures | integer | events | how many statements and logins failed
-- column: first_time_text | text | UTC | their first event
-- column: last_time_text | text | UTC | their last event
select client_address, application_name, db_user, db_system_name, db_namespace,
       -- A connection id is unique only while its server runs.
       count(distinct host_name || ' ' || cast(server_pid as text) || ' ' || session_id) as sessions,
       cast(sum(case when kind = 'query' then repeat_count else 0 end) as bigint) as statements,
       cast(sum(case when status = 'error' or kind = 'auth_failure' then repeat_count else 0 end) as bigint) as failures,
       min(time_text) as first_time_text,
       max(time_text) as last_time_text
from events
where session_id is not null and time >= $since and time < $until
group by client_address, application_name, db_user, db_system_name, db_namespace
order by client_address nulls first, application_name nulls first, db_user nulls first,
         db_system_name nulls first, db_namespace nulls first
