-- Names and types of a relation's columns; no row where the relation does not exist.
-- Parameter: relation, its quoted name.
SELECT a.attname::text AS name, a.atttypid::regtype::text AS type
FROM pg_catalog.pg_attribute AS a
WHERE a.attrelid = to_regclass(%(relation)s) AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY a.attnum
