-- One run: its as-of, whether its lists are still there, how each band of users was ordered, and what its
-- audit measured, against which run, and found. Parameter: run_id.
SELECT
    r.run_id, r.as_of, r.status, r.stats -> 'models' -> 'choice' -> 'orders' AS orders,
    r.audit -> 'figures' -> 'ndcg' AS ndcg,
    r.audit -> 'figures' -> 'live_run' AS audited_against,
    r.audit -> 'violations' AS violations
FROM recs.run AS r
WHERE r.run_id = %(run_id)s
