-- Published runs beyond the newest ones, never the live one. Parameter: keep.
SELECT r.run_id
FROM recs.run AS r
WHERE r.status = 'published' AND NOT EXISTS (SELECT FROM recs.live AS l WHERE l.run_id = r.run_id)
ORDER BY r.run_id DESC
OFFSET greatest(%(keep)s - 1, 0)
