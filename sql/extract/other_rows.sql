-- The rows of a source whose time is null or outside a window. Identifiers: columns, relation,
-- time; literals: start, end.
SELECT {columns} FROM {relation} WHERE ({time} >= {start} AND {time} < {end}) IS NOT TRUE
