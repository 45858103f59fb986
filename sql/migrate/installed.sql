-- Whether the schema is there at all.
SELECT to_regclass('recs.migration') IS NOT NULL
