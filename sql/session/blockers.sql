-- The sessions that a session waits for, in words. Parameter: pid. Qualified, as the session that asks
-- sets no search_path.
SELECT pg_catalog.concat(
    'pid ', a.pid, ' (', a.application_name, ') of login ', a.usename, ', ', a.state,
    ', in a transaction since ', pg_catalog.date_trunc('second', a.xact_start)
)
FROM pg_catalog.pg_stat_activity AS a
WHERE a.pid OPERATOR(pg_catalog.=) ANY (pg_catalog.pg_blocking_pids(%(pid)s))
