-- question: Which shapes of statements cost most?
-- param:  by | choice | time/count/errors/rows | time | what is counted as cost: total duration, executions, failures, or rows sent and changed
-- param:  since | time | UTC | 1970-01-01T00:00:00Z | first moment asked for
-- param:  until | time | UTC | 9999-12-31T23:59:59Z | first moment no longer asked for
-- param:  limit | integer | rows | 20 | how many
-- column: fingerprint | text | - | names the shape
-- column: class | text | - | READ, WRITE, DDL ...
-- column: executions | integer | events | how often it ran
-- column: errors | integer | events | how often it failed
-- column: users | integer | users | by how many users
-- column: total_us | integer | microseconds | sum of the durations
-- column: mean_us | integer | microseconds | mean duration, rounded down
-- column: max_us | integer | microseconds | longest duration of a row
-- column: rows_returned | integer | rows | rows sent to the client
-- column: rows_affected | integer | rows | rows changed
-- column: last_time_text | text | UTC | when it last reached a server
-- column: db_query_template | text | - | a statement of that shape with `?` for the literals
with shapes as (
    select fingerprint,
           min(class) as class,
           cast(sum(repeat_count) as bigint) as executions,
           cast(sum(case when status = 'error' then repeat_count else 0 end) as bigint) as errors,
           count(distinct db_user) as users,
           cast(coalesce(sum(duration_us), 0) as bigint) as total_us,
           cast(coalesce(sum(case when duration_us is not null then repeat_count end), 0) as bigint) as timed,
           max(duration_us) as max_us,
           cast(coalesce(sum(rows_returned), 0) as bigint) as rows_returned,
           cast(coalesce(sum(rows_affected), 0) as bigint) as rows_affected,
           max(time_text) as last_time_text,
           min(db_query_template) as db_query_template
    from events
    where kind = 'query' and fingerprint is not null and time >= $since and time < $until
    group by fingerprint
)
select fingerprint, class, executions, errors, users, total_us,
       -- A quotient without remainder is the same whether an engine divides integers or floats.
       case when timed > 0 then cast((total_us - total_us % timed) / timed as bigint) end as mean_us,
       max_us, rows_returned, rows_affected, last_time_text, db_query_template
from shapes
order by case $by when 'count' then executions
                  when 'errors' then errors
                  when 'rows' then rows_returned + rows_affected
                  else total_us end desc,
         fingerprint
limit $limit
