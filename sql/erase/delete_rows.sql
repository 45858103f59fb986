-- Deletes quarantined rows. Parameter: places.
DELETE FROM recs.quarantined_row AS q WHERE q.ctid = ANY (%(places)s::tid[])
