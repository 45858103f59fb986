-- The tables that this transaction has read so far, each with its present file on disk. TRUNCATE and
-- whatever rewrites a table give it a new file.
SELECT l.relation::bigint AS relation, pg_relation_filenode(l.relation)::bigint AS file
FROM pg_locks AS l
JOIN pg_class AS c ON c.oid = l.relation
WHERE l.pid = pg_backend_pid() AND l.locktype = 'relation' AND l.relation >= 16384
    AND c.relkind IN ('r', 'p', 'm', 'v', 'f')
ORDER BY l.relation
