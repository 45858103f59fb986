-- The status of a run, and whether it is live already. Parameter: run_id.
SELECT r.status, EXISTS (SELECT FROM recs.live AS l WHERE l.run_id = r.run_id) AS live
FROM recs.run AS r
WHERE r.run_id = %(run_id)s
