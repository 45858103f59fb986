-- Opens a run. Parameters: as_of, config_hash, code_version, models, stats.
INSERT INTO recs.run (as_of, config_hash, code_version, models, stats)
VALUES (%(as_of)s, %(config_hash)s, %(code_version)s, %(models)s, %(stats)s)
RETURNING run_id
