-- The sessions that a session waits for, in words. Parameter: pid. Qualified, as the session that asks
-- sets no search_path. What others do is only shown to members of pg_read_all_stats.
SELECT pg_catalog.format(
    'pid %%s of login %%s%%s',
    a.pid,
    a.usename,
    CASE WHEN a.xact_start IS NOT NULL THEN pg_catalog.format(
        ' (%%s, %%s, in a transaction since %%s)',
        a.application_name, a.state, pg_catalog.date_trunc('second', a.xact_start)
    ) END
)
FROM pg_catalog.pg_stat_activity AS a
WHERE a.pid OPERATOR(pg_catalog.=) ANY (pg_catalog.pg_blocking_pids(%(pid)s))
