-- The live run; no row before the first publication.
SELECT l.run_id FROM recs.live AS l
