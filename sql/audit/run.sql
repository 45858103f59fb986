-- One run: its date, whether its lists are still there, and how each band of users was ordered.
-- Parameter: run_id.
SELECT r.run_id, r.as_of, r.status, r.stats -> 'models' -> 'choice' -> 'orders' AS orders
FROM recs.run AS r
WHERE r.run_id = %(run_id)s
