-- The newest run before the live one that has been live itself and whose lists are still there.
SELECT r.run_id
FROM recs.run AS r
JOIN recs.live AS l ON r.run_id < l.run_id
WHERE r.status = 'published' AND EXISTS (SELECT FROM recs.switch AS s WHERE s.to_run = r.run_id)
ORDER BY r.run_id DESC
LIMIT 1
