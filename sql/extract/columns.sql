-- Columns of a relation in order: name, declared type, the type that domains stand for (enum types
-- as `enum`), and whether equal values are the same bytes. Parameter: relation, its quoted name.
WITH RECURSIVE resolved AS (
    SELECT a.attnum, a.attname::text AS name, format_type(a.atttypid, a.atttypmod) AS declared,
        a.atttypid AS type, a.attcollation AS collation
    FROM pg_attribute AS a
    WHERE a.attrelid = to_regclass(%(relation)s) AND a.attnum > 0 AND NOT a.attisdropped
    UNION ALL
    SELECT r.attnum, r.name, r.declared, t.typbasetype, r.collation
    FROM resolved AS r
    JOIN pg_type AS t ON t.oid = r.type AND t.typtype = 'd'
)
SELECT r.name, r.declared,
    CASE WHEN t.typtype = 'e' THEN 'enum'
         WHEN e.typtype = 'e' THEN 'enum[]'
         WHEN e.typtype = 'd' THEN format_type(e.typbasetype, NULL) || '[]'
         ELSE format_type(t.oid, NULL) END AS type,
    coalesce(c.collisdeterministic, true) AS by_bytes
FROM resolved AS r
JOIN pg_type AS t ON t.oid = r.type AND t.typtype <> 'd'
LEFT JOIN pg_type AS e ON e.oid = t.typelem AND t.typcategory = 'A'
LEFT JOIN pg_collation AS c ON c.oid = r.collation
ORDER BY r.attnum
