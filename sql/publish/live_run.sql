-- The live run and its as-of; no row before the first publication.
SELECT r.run_id, r.as_of FROM recs.live AS l JOIN recs.run AS r USING (run_id)
