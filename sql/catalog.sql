-- What a database holds, for a proposal of the sources' mapping.

-- name: limits
-- To the end of the transaction nothing is changed, and a view that takes long is given up.
SET TRANSACTION READ ONLY;
SELECT set_config('statement_timeout', '20s', true)

-- name: relations
-- Tables and views that the login may read: schema, name, about how many rows (0 or below where nobody
-- has counted), and columns that a unique index is on alone, that of the primary key first.
SELECT n.nspname::text AS schema, c.relname::text AS name, c.reltuples::bigint AS rows,
    ARRAY(
        SELECT a.attname::text
        FROM pg_catalog.pg_index AS i
        JOIN pg_catalog.pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
        WHERE i.indrelid = c.oid AND i.indisunique AND i.indnkeyatts = 1
            AND i.indpred IS NULL AND i.indexprs IS NULL
        ORDER BY i.indisprimary DESC, a.attnum
    ) AS keys
FROM pg_catalog.pg_class AS c
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND NOT c.relispartition
    AND n.nspname NOT IN ('information_schema', 'recs') AND n.nspname NOT LIKE 'pg\_%%'
    AND has_schema_privilege(n.oid, 'USAGE') AND has_any_column_privilege(c.oid, 'SELECT')
ORDER BY n.nspname, c.relname
LIMIT %(most)s

-- name: readable
-- Columns of a relation that the login may read. Parameter: relation, its quoted name.
SELECT a.attname::text AS name
FROM pg_catalog.pg_attribute AS a
WHERE a.attrelid = to_regclass(%(relation)s) AND a.attnum > 0 AND NOT a.attisdropped
    AND has_column_privilege(a.attrelid, a.attnum, 'SELECT')

-- name: references
-- Columns that are declared to refer to a column of another table: schema, table and column of each.
SELECT n.nspname::text AS schema, c.relname::text AS name, a.attname::text AS column_name,
    m.nspname::text AS to_schema, t.relname::text AS to_name, b.attname::text AS to_column
FROM pg_catalog.pg_constraint AS f
JOIN pg_catalog.pg_class AS c ON c.oid = f.conrelid
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
JOIN pg_catalog.pg_attribute AS a ON a.attrelid = f.conrelid AND a.attnum = f.conkey[1]
JOIN pg_catalog.pg_class AS t ON t.oid = f.confrelid
JOIN pg_catalog.pg_namespace AS m ON m.oid = t.relnamespace
JOIN pg_catalog.pg_attribute AS b ON b.attrelid = f.confrelid AND b.attnum = f.confkey[1]
WHERE f.contype = 'f' AND cardinality(f.conkey) = 1

-- name: sample
-- Some rows of a relation. Composed: columns, the select list; identifier: relation; literal: most.
SELECT {columns} FROM {relation} LIMIT {most}

-- name: count
-- How many rows a relation has, up to a number. Identifier: relation; literal: most.
SELECT count(*) FROM (SELECT FROM {relation} LIMIT {most}) AS counted

-- name: found
-- How many of some values, grouped by numbers, are in a column. Parameters: numbers, texts, alike in
-- length. Identifiers: relation, key; composed: type, of the column.
SELECT v.number, count(*)
FROM unnest(%(numbers)s::integer[], %(texts)s::text[]) AS v (number, value)
WHERE EXISTS (SELECT FROM {relation} AS r WHERE r.{key} = v.value::{type})
GROUP BY v.number
