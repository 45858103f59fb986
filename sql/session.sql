-- Sessions of the pipeline's connections.

-- name: blockers
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

-- name: overdue
-- Whether a session's statement runs for longer than the limit that the session set for itself, which
-- only a process that is stopped does. Waiting for a lock is another matter: some set no limit for it.
-- Parameters: pid, seconds. Qualified, as above.
SELECT pg_catalog.count(*) OPERATOR(pg_catalog.>) 0
FROM pg_catalog.pg_stat_activity AS a
WHERE a.pid OPERATOR(pg_catalog.=) %(pid)s
    AND a.state OPERATOR(pg_catalog.=) 'active'
    AND a.wait_event_type IS DISTINCT FROM 'Lock'
    AND pg_catalog.clock_timestamp() OPERATOR(pg_catalog.-) a.query_start
        OPERATOR(pg_catalog.>) pg_catalog.make_interval(secs => %(seconds)s)

-- name: start
-- What every session starts with. Limits: a statement that hangs ends, and nobody waits for a lock for
-- ever. Schemas that names without one are looked for in are kept aside for source tables; for all
-- else the path holds the system's own, so that nothing planted in a schema of others is called.
SELECT
    pg_catalog.set_config('statement_timeout', '1h', false),
    pg_catalog.set_config('lock_timeout', '5min', false),
    pg_catalog.set_config('idle_in_transaction_session_timeout', '2h', false),
    pg_catalog.set_config('recsys.source_schemas', pg_catalog.current_schemas(false)::pg_catalog.text, false),
    pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', false)
