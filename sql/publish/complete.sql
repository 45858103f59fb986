-- Notes that a run's lists are complete. Parameters: run_id, status (published or held), users,
-- list_hash, audit.
UPDATE recs.run
SET status = %(status)s, users = %(users)s, list_hash = %(list_hash)s, audit = %(audit)s,
    published_at = CASE WHEN %(status)s = 'published' THEN now() END
WHERE run_id = %(run_id)s
