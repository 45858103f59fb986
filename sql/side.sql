-- Check of the published side before a night.

-- name: backend
-- The server process that answers.
SELECT pg_backend_pid() AS pid

-- name: rights
-- What the writer lacks in its schema, in words.
SELECT concat(p.privilege, ' on schema recs') AS missing
FROM unnest(ARRAY['USAGE', 'CREATE']) AS p (privilege)
WHERE NOT has_schema_privilege('recsys_writer', 'recs', p.privilege)
UNION ALL
SELECT concat('ownership of recs.', c.relname, ', which is ', pg_get_userbyid(c.relowner), '''s')
FROM pg_catalog.pg_class AS c
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE n.nspname = 'recs' AND c.relkind IN ('r', 'p', 'v')
    AND NOT pg_has_role('recsys_writer', c.relowner, 'USAGE')

-- name: server
-- What of a server and a login decides whether a run can be published; needs no right on anything.
-- `settable`: null where there is no role recsys_writer.
SELECT
    session_user::text AS login,
    (SELECT r.rolsuper FROM pg_catalog.pg_roles AS r WHERE r.rolname = session_user) AS superuser,
    pg_is_in_recovery() AS standby,
    current_setting('transaction_read_only') = 'on' AS only_reads,
    EXISTS (
        SELECT FROM pg_catalog.pg_class AS c
        JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
        WHERE n.nspname = 'recs' AND c.relname = 'migration'
    ) AS installed,
    (
        SELECT pg_has_role(
            session_user, w.oid,
            CASE WHEN current_setting('server_version_num')::integer < 160000 THEN 'MEMBER' ELSE 'SET' END
        )
        FROM pg_catalog.pg_roles AS w
        WHERE w.rolname = 'recsys_writer'
    ) AS settable
