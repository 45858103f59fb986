-- The status of a run whose lists are there, for the pointer to move to. Parameter: run_id.
SELECT r.status
FROM recs.run AS r
WHERE r.run_id = %(run_id)s AND r.status IN ('published', 'held')
