-- Every table of lists: published, half-loaded, or half-removed.
SELECT c.relname::text AS name
FROM pg_catalog.pg_class AS c
WHERE c.relnamespace = 'recs'::regnamespace AND c.relkind = 'r'
    AND c.relname LIKE 'user\_list\_run\_%'
ORDER BY c.relname
