-- What is known of a run from its start. Parameter: run_id.
SELECT r.as_of, r.config_hash, r.code_version, r.models, r.stats
FROM recs.run AS r
WHERE r.run_id = %(run_id)s
