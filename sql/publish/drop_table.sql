-- Removes a table of lists. Identifier: partition.
DROP TABLE recs.{partition}
