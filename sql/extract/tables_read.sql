-- The tables that this transaction has read so far, in functions too.
SELECT l.relation::bigint AS relation
FROM pg_locks AS l
JOIN pg_class AS c ON c.oid = l.relation
WHERE l.pid = pg_backend_pid() AND l.locktype = 'relation' AND l.relation >= 16384
    AND c.relkind IN ('r', 'm') AND c.relpersistence <> 't'
