-- The published side as its catalog describes it, for the data dictionary.

-- name: relations
-- Tables and views with what they mean and whether analysts read them, partitions of lists left out.
SELECT
    c.relname::text AS name,
    CASE c.relkind WHEN 'v' THEN 'view' ELSE 'table' END AS kind,
    obj_description(c.oid, 'pg_class') AS meaning,
    has_table_privilege('recsys_analyst', c.oid, 'SELECT') AS readable
FROM pg_catalog.pg_class AS c
WHERE c.relnamespace = 'recs'::regnamespace AND c.relkind IN ('r', 'p', 'v')
    AND NOT c.relispartition AND c.relname NOT LIKE 'user\_list\_run\_%'
ORDER BY c.relkind = 'v' DESC, c.relname COLLATE "C"

-- name: columns
-- The columns of tables and views, in their order.
SELECT
    c.relname::text AS relation,
    a.attname::text AS name,
    format_type(a.atttypid, a.atttypmod) AS type,
    col_description(c.oid, a.attnum) AS meaning
FROM pg_catalog.pg_class AS c
JOIN pg_catalog.pg_attribute AS a ON a.attrelid = c.oid
WHERE c.relnamespace = 'recs'::regnamespace AND c.relkind IN ('r', 'p', 'v')
    AND NOT c.relispartition AND c.relname NOT LIKE 'user\_list\_run\_%'
    AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY c.relname COLLATE "C", a.attnum

-- name: functions
-- Functions with what they mean and the roles that may call them.
SELECT
    p.proname::text AS name,
    pg_get_function_arguments(p.oid) AS arguments,
    obj_description(p.oid, 'pg_proc') AS meaning,
    ARRAY(
        SELECT r.rolname::text FROM pg_catalog.pg_roles AS r
        WHERE r.rolname IN ('recsys_analyst', 'recsys_app', 'recsys_moderator')
            AND has_function_privilege(r.oid, p.oid, 'EXECUTE')
        ORDER BY r.rolname COLLATE "C"
    ) AS callers
FROM pg_catalog.pg_proc AS p
WHERE p.pronamespace = 'recs'::regnamespace
ORDER BY p.proname COLLATE "C"
