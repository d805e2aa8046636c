-- question: Which shapes of statements were never seen before a moment?
-- param:  since | time | UTC | required | the moment
-- column: first_time_text | text | UTC | when the shape's first statement reached a server
-- column: seq | integer | - | that statement's place in the trail
-- column: db_system_name | text | - | its database product
-- column: db_namespace | text | - | its current database
-- column: db_user | text | - | its user
-- column: client_address | text | - | address of its client
-- column: application_name | text | - | what the client calls itself
-- column: class | text | - | READ, WRITE, DDL ...
-- column: executions | integer | events | how often the shape ran since
-- column: fingerprint | text | - | names the shape
-- column: db_query_template | text | - | that statement with `?` for the literals
with fresh as materialized (
    select fingerprint, min(seq) as first_seq, cast(sum(repeat_count) as bigint) as executions
    from events
    where time >= $since
      and fingerprint in (select fingerprint from statements where first_seen >= $since)
    group by fingerprint
)
select time_text as first_time_text, seq, db_system_name, db_namespace, db_user, client_address, application_name,
       class, (select executions from fresh where fresh.fingerprint = events.fingerprint) as executions,
       fingerprint, db_query_template
from events
where seq in (select first_seq from fresh)
order by seq
