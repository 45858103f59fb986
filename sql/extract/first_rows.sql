-- Some rows of a read. Composed: rows, the read itself; literal: most.
SELECT * FROM ({rows}) AS rows LIMIT {most}
