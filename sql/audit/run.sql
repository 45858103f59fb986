-- One run: its as-of, whether its lists are still there, how each band of users was ordered, the NDCG of
-- that, and how many items and users its lists could have reached. Parameter: run_id.
SELECT
    r.run_id, r.as_of, r.status, r.stats -> 'models' -> 'choice' -> 'orders' AS orders,
    r.audit -> 'figures' -> 'ndcg' AS ndcg,
    (r.stats -> 'matrix' ->> 'available_items')::bigint AS available_items,
    (r.stats ->> 'active_users')::bigint AS active_users
FROM recs.run AS r
WHERE r.run_id = %(run_id)s
