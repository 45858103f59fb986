-- Every table and materialized view of the database, each with its present file on disk.
SELECT c.oid::bigint AS relation, pg_relation_filenode(c.oid)::bigint AS file
FROM pg_class AS c
WHERE c.oid >= 16384 AND c.relkind IN ('r', 'm') AND c.relpersistence <> 't'
