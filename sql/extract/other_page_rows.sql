-- The rows of a source in a range of pages whose time is null or outside a window. Identifiers:
-- columns, relation, time; literals: start, end, first, last (tids, half-open).
SELECT {columns} FROM {relation}
WHERE ({time} >= {start} AND {time} < {end}) IS NOT TRUE
    AND ctid >= {first}::tid AND ctid < {last}::tid
