-- The rows of a source within a window of time and a range of pages. Identifiers: columns,
-- relation, time; literals: start, end, first, last (tids, half-open).
SELECT {columns} FROM {relation}
WHERE {time} >= {start} AND {time} < {end} AND ctid >= {first}::tid AND ctid < {last}::tid
