-- The rows of a source within a half-open window of time. Identifiers: columns, relation, time;
-- literals: start, end.
SELECT {columns} FROM {relation} WHERE {time} >= {start} AND {time} < {end}
