-- Tables of lists that no run has attached: a publication that did not finish left them.
SELECT c.relname::text AS name
FROM pg_catalog.pg_class AS c
WHERE c.relnamespace = 'recs'::regnamespace AND c.relkind = 'r' AND NOT c.relispartition
    AND c.relname LIKE 'user\_list\_run\_%'
