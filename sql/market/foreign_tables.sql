-- Tables of a schema `market` that create.sql did not make, and so must not drop.
SELECT count(*) AS tables
FROM pg_catalog.pg_class AS c
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE n.nspname = 'market'
    AND c.relkind <> 'i'
    AND coalesce(obj_description(n.oid, 'pg_namespace'), '') NOT LIKE 'Demo marketplace:%'
