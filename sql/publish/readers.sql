-- Sessions that use a table, in words. Parameter: table.
SELECT concat('pid ', a.pid, ' of login ', a.usename)
FROM pg_catalog.pg_stat_activity AS a
WHERE a.pid <> pg_backend_pid() AND a.datname = current_database()
    AND a.pid IN (
        SELECT l.pid FROM pg_catalog.pg_locks AS l
        JOIN pg_catalog.pg_class AS c ON c.oid = l.relation
        WHERE c.relnamespace = 'recs'::regnamespace AND c.relname IN (%(table)s, 'user_list')
    )
ORDER BY a.pid
