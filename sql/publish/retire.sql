-- Marks the runs beyond the newest ones for removal, never the live one. Parameter: keep.
WITH surplus AS (
    SELECT r.run_id
    FROM recs.run AS r
    WHERE r.status IN ('published', 'held')
        AND NOT EXISTS (SELECT FROM recs.live AS l WHERE l.run_id = r.run_id)
    ORDER BY r.run_id DESC
    OFFSET greatest(%(keep)s - 1, 0)
),
gone AS (DELETE FROM recs.fallback_list USING surplus WHERE fallback_list.run_id = surplus.run_id)
UPDATE recs.run SET status = 'retired' FROM surplus WHERE run.run_id = surplus.run_id
