-- Runs beside the live one that lookups can be pointed at, newest first.
SELECT r.run_id
FROM recs.run AS r
WHERE r.status = 'published' AND NOT EXISTS (SELECT FROM recs.live AS l WHERE l.run_id = r.run_id)
ORDER BY r.run_id DESC
