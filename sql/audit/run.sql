-- One run: its date and whether its lists are still there. Parameter: run_id.
SELECT r.run_id, r.as_of, r.status
FROM recs.run AS r
WHERE r.run_id = %(run_id)s
