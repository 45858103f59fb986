-- The rows of a source that lie in a range of pages. Identifiers: columns, relation; literals:
-- first, last (tids, half-open).
SELECT {columns} FROM {relation} WHERE ctid >= {first}::tid AND ctid < {last}::tid
