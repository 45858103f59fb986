-- Points lookups at a run. Parameter: run_id.
INSERT INTO recs.live (run_id) VALUES (%(run_id)s)
ON CONFLICT (one) DO UPDATE SET run_id = excluded.run_id, switched_at = now()
