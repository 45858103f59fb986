-- Notes that a run's lists are gone. Parameter: run_id.
WITH gone AS (DELETE FROM recs.fallback_list WHERE run_id = %(run_id)s)
UPDATE recs.run SET status = 'retired' WHERE run_id = %(run_id)s
