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
