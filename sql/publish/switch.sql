-- Points lookups at a run, records it, and writes its table into the lookup. Parameters: run_id,
-- reason.
WITH before AS (SELECT max(l.run_id) AS run_id FROM recs.live AS l),
recorded AS (
    INSERT INTO recs.switch (from_run, to_run, reason)
    SELECT before.run_id, %(run_id)s, %(reason)s FROM before
)
INSERT INTO recs.live (run_id) VALUES (%(run_id)s)
ON CONFLICT (one) DO UPDATE SET run_id = excluded.run_id, switched_at = now();
SELECT recs.write_lookup(%(run_id)s)
