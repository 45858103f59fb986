-- Runs whose lists are kept, newest first.
SELECT r.run_id FROM recs.run AS r WHERE r.status IN ('published', 'held') ORDER BY r.run_id DESC
