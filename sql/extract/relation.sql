-- Schema and name of a source's table or view, and whether it is a view; no row where there is none. Sessions have no schema of
-- others in their search_path, so that a name without one is looked for in those of the login's own.
-- Parameters: schema (null where the name has none), name.
SELECT n.nspname::text AS schema, c.relname::text AS name, c.relkind = 'v' AS view
FROM pg_catalog.pg_class AS c
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
CROSS JOIN LATERAL (
    SELECT CASE WHEN %(schema)s::text IS NULL THEN current_setting('recsys.source_schemas')::text[]
           ELSE ARRAY[%(schema)s::text] END AS schemas
) AS p
WHERE c.relname::text = %(name)s::text AND n.nspname::text = ANY (p.schemas)
    AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
ORDER BY array_position(p.schemas, n.nspname::text)
LIMIT 1
