-- The newest runs, newest first. Parameter: n.
SELECT
    r.run_id, r.as_of, r.status, EXISTS (SELECT FROM recs.live AS l WHERE l.run_id = r.run_id) AS live,
    r.users, r.list_hash, r.published_at, r.stats
FROM recs.run AS r
ORDER BY r.run_id DESC
LIMIT %(n)s
