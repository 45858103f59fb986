-- Notes what a run has published. Parameters: run_id, users, list_hash.
UPDATE recs.run
SET status = 'published', published_at = now(), users = %(users)s, list_hash = %(list_hash)s
WHERE run_id = %(run_id)s
