-- question: What is missing from the trail, and when was the recorder not recording?
-- param:  since | time | UTC | 1970-01-01T00:00:00Z | first moment asked for
-- param:  until | time | UTC | 9999-12-31T23:59:59Z | first moment no longer asked for
-- column: time_text | text | UTC | when it was noticed
-- column: seq | integer | - | row that tells of it; for a gap, the first row behind it
-- column: what | text | - | loss, lifecycle, or gap
-- column: reason | text | - | why events were lost, what happened to the recorder, or missing_rows
-- column: events | integer | events | how many events or rows are missing
-- column: detail | text | - | more about it
-- note:   A `gap` is a hole in `seq` among the rows that are asked: nothing may leave one but a file or
-- note:   segment taken away between others. Rows before the first one at hand do not count.
with numbered as (
    select seq, time, time_text, lag(seq) over (order by seq) as previous_seq
    from events
)
select time_text, seq, kind as what, command as reason, case when kind = 'loss' then repeat_count end as events,
       error_message as detail
from events
where (kind = 'loss' or (kind = 'lifecycle' and command in ('start', 'stop', 'attach', 'attach_failed', 'detach', 'adopt')))
  and time >= $since and time < $until
union all
select time_text, seq, 'gap', 'missing_rows', seq - previous_seq - 1,
       'seq ' || cast(previous_seq + 1 as text) || ' to ' || cast(seq - 1 as text)
from numbered
where seq - previous_seq > 1 and time >= $since and time < $until
order by seq, what
