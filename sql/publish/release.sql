-- Notes that a held run was published after all. Parameter: run_id.
UPDATE recs.run SET status = 'published', published_at = coalesce(published_at, now())
WHERE run_id = %(run_id)s
