-- Locks a relation, its partitions and what a view reads until the transaction ends, so that nobody
-- empties them by TRUNCATE, which snapshots do not see through. Identifier: relation.
SELECT FROM {relation} LIMIT 0
