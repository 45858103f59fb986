-- How many rows the server holds for a read of a view. Every value is computed for it, so that every
-- function of the view is called, and what it reads is known. Composed: rows, the read itself.
SELECT count(rows) FROM ({rows}) AS rows
