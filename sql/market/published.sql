-- How many runs are published, which one is live, and whether they came from demo data.
SELECT
    (SELECT count(*) FROM recs.run) AS runs,
    (SELECT l.run_id FROM recs.live AS l) AS live,
    coalesce(obj_description('recs.migration'::regclass, 'pg_class'), '') LIKE 'Demo data:%' AS demo
