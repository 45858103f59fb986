-- Number of 8 kB pages of an ordinary table; 0 for a view or a partitioned table, which have none.
-- Parameter: relation, its quoted name.
SELECT CASE c.relkind WHEN 'r' THEN pg_relation_size(c.oid) / current_setting('block_size')::bigint
       ELSE 0 END AS pages
FROM pg_catalog.pg_class AS c
WHERE c.oid = to_regclass(%(relation)s)
