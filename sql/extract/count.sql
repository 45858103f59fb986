-- How many rows the server holds for a read. Composed: rows, the read itself.
SELECT count(*) FROM ({rows}) AS rows
