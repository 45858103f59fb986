-- Whether anybody can have been forgotten: the published side is there.
SELECT to_regclass('recs.forgotten_user') IS NOT NULL AS installed
