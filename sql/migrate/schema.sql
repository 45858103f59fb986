-- Whose the schema of the published side is, whether this login may act as that role, and whether the
-- writer can work in it and let others in; no row where there is no schema.
SELECT
    pg_get_userbyid(n.nspowner)::text AS owner,
    pg_has_role(session_user, n.nspowner, 'MEMBER') AS ours,
    has_schema_privilege('recsys_writer', n.oid, 'CREATE')
        AND has_schema_privilege('recsys_writer', n.oid, 'USAGE WITH GRANT OPTION') AS usable
FROM pg_catalog.pg_namespace AS n
WHERE n.nspname = 'recs'
