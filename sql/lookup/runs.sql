-- The newest runs, newest first, and the live one, however old. Parameter: n.
WITH newest AS (SELECT r.run_id FROM recs.run AS r ORDER BY r.run_id DESC LIMIT %(n)s)
SELECT
    r.run_id, r.as_of, r.status, l.run_id IS NOT NULL AS live,
    r.users, r.list_hash, r.published_at, r.stats
FROM recs.run AS r
LEFT JOIN recs.live AS l USING (run_id)
WHERE l.run_id IS NOT NULL OR r.run_id IN (SELECT n.run_id FROM newest AS n)
ORDER BY r.run_id DESC
