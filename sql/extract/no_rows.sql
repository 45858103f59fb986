-- Reads a relation without reading a row: fails as a read would where a right is missing, and locks
-- the relation, its partitions and what a view reads until the transaction ends. Identifier: relation.
SELECT FROM {relation} LIMIT 0
