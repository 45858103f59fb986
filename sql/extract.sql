-- Reading of source tables: what they are like, the snapshot they are read in, and the queries of their parts.

-- name: clock
-- What the server's clock says.
SELECT clock_timestamp()

-- name: encoding
-- How the database stores texts.
SELECT current_setting('server_encoding') AS encoding

-- name: settings
-- What reading must not depend on, for this transaction alone: rows that a policy hides are an error,
-- times without zone are UTC, texts of dates and bytes have one form.
SELECT
    set_config('row_security', 'off', true),
    set_config('TimeZone', 'UTC', true),
    set_config('DateStyle', 'ISO, YMD', true),
    set_config('IntervalStyle', 'iso_8601', true),
    set_config('extra_float_digits', '1', true),
    set_config('bytea_output', 'hex', true)

-- name: columns
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

-- name: relation
-- Schema and name of a source's table or view, and whether it is a view; no row where there is none. Sessions have no schema of
-- others in their search_path, so that a name without one is looked for in those of the login's own.
-- Parameters: schema (null where the name has none), name.
SELECT n.nspname::text AS schema, c.relname::text AS name, c.relkind = 'v' AS view
FROM pg_catalog.pg_class AS c
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
CROSS JOIN LATERAL (
    SELECT CASE WHEN %(schema)s::text IS NULL THEN current_setting('recsys.source_schemas')::text[]
           ELSE ARRAY[%(schema)s::text] END AS schemas
) AS p
WHERE c.relname::text = %(name)s::text AND n.nspname::text = ANY (p.schemas)
    AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
ORDER BY array_position(p.schemas, n.nspname::text)
LIMIT 1

-- name: storage
-- The tables that this transaction has read so far, each with its present file on disk. TRUNCATE and
-- whatever rewrites a table give it a new file.
SELECT l.relation::bigint AS relation, pg_relation_filenode(l.relation)::bigint AS file
FROM pg_locks AS l
JOIN pg_class AS c ON c.oid = l.relation
WHERE l.pid = pg_backend_pid() AND l.locktype = 'relation' AND l.relation >= 16384
    AND c.relkind IN ('r', 'p', 'm', 'v', 'f')
ORDER BY l.relation

-- name: files
-- Every table and materialized view of the database, each with its present file on disk.
SELECT c.oid::bigint AS relation, pg_relation_filenode(c.oid)::bigint AS file
FROM pg_class AS c
WHERE c.oid >= 16384 AND c.relkind IN ('r', 'm') AND c.relpersistence <> 't'

-- name: tables_read
-- The tables that this transaction has read so far, in functions too.
SELECT l.relation::bigint AS relation
FROM pg_locks AS l
JOIN pg_class AS c ON c.oid = l.relation
WHERE l.pid = pg_backend_pid() AND l.locktype = 'relation' AND l.relation >= 16384
    AND c.relkind IN ('r', 'm') AND c.relpersistence <> 't'

-- name: first_rows
-- Some rows of a read. Composed: rows, the read itself; literal: most.
SELECT * FROM ({rows}) AS rows LIMIT {most}

-- name: repeatable_read
-- Lets this transaction see one state of the database from its first read to its last.
SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY

-- name: export_snapshot
-- The name of this transaction's snapshot, for other connections to read the same state.
SELECT pg_export_snapshot()

-- name: use_snapshot
-- Makes this transaction read the state that another one exported. Literal: snapshot.
SET TRANSACTION SNAPSHOT {snapshot}

-- name: count
-- How many rows the server holds for a read. Composed: rows, the read itself.
SELECT count(*) FROM ({rows}) AS rows

-- name: count_of_view
-- How many rows the server holds for a read of a view. Every value is computed for it, so that every
-- function of the view is called, and what it reads is known. Composed: rows, the read itself.
SELECT count(rows) FROM ({rows}) AS rows

-- name: pages
-- Number of 8 kB pages of an ordinary table; 0 for a view or a partitioned table, which have none.
-- Parameter: relation, its quoted name.
SELECT CASE c.relkind WHEN 'r' THEN pg_relation_size(c.oid) / current_setting('block_size')::bigint
       ELSE 0 END AS pages
FROM pg_catalog.pg_class AS c
WHERE c.oid = to_regclass(%(relation)s)

-- name: all_rows
-- Every row of a source. Identifiers: columns, relation.
SELECT {columns} FROM {relation}

-- name: page_rows
-- The rows of a source that lie in a range of pages. Identifiers: columns, relation; literals:
-- first, last (tids, half-open).
SELECT {columns} FROM {relation} WHERE ctid >= {first}::tid AND ctid < {last}::tid

-- name: other_page_rows
-- The rows of a source in a range of pages whose time is null or outside a window. Identifiers:
-- columns, relation, time; literals: start, end, first, last (tids, half-open).
SELECT {columns} FROM {relation}
WHERE ({time} >= {start} AND {time} < {end}) IS NOT TRUE
    AND ctid >= {first}::tid AND ctid < {last}::tid

-- name: window_rows
-- The rows of a source within a half-open window of time. Identifiers: columns, relation, time;
-- literals: start, end.
SELECT {columns} FROM {relation} WHERE {time} >= {start} AND {time} < {end}

-- name: window_page_rows
-- The rows of a source within a window of time and a range of pages. Identifiers: columns,
-- relation, time; literals: start, end, first, last (tids, half-open).
SELECT {columns} FROM {relation}
WHERE {time} >= {start} AND {time} < {end} AND ctid >= {first}::tid AND ctid < {last}::tid

-- name: other_rows
-- The rows of a source whose time is null or outside a window. Identifiers: columns, relation,
-- time; literals: start, end.
SELECT {columns} FROM {relation} WHERE ({time} >= {start} AND {time} < {end}) IS NOT TRUE

-- name: no_rows
-- Reads a relation without reading a row: fails as a read would where a right is missing, and locks
-- the relation, its partitions and what a view reads until the transaction ends. Identifier: relation.
SELECT FROM {relation} LIMIT 0
