-- Every row of a source. Identifiers: columns, relation.
SELECT {columns} FROM {relation}
