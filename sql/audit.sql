-- A run's facts and lists, read back to be compared.

-- name: lists
-- The first places of every list of a run; uuids as text. Types: user_type, item_type. Literals:
-- depth, run_id.
SELECT
    l.user_id::{user_type} AS user_id,
    l.item_ids[1:{depth}]::{item_type}[] AS item_ids,
    l.scores[1:{depth}] AS scores
FROM recs.user_list AS l
WHERE l.run_id = {run_id}

-- name: run
-- One run: its as-of, whether its lists are still there, how each band of users was ordered, weights of
-- objectives, the NDCG of that, and how many items and users its lists could have reached. Parameter: run_id.
SELECT
    r.run_id, r.as_of, r.status, r.stats -> 'models' -> 'choice' -> 'orders' AS orders,
    r.stats -> 'models' -> 'choice' -> 'weighed' AS weighed,
    r.audit -> 'figures' -> 'ndcg' AS ndcg,
    (r.stats -> 'matrix' ->> 'available_items')::bigint AS available_items,
    (r.stats ->> 'active_users')::bigint AS active_users,
    coalesce(r.stats -> 'market', '{}') AS market
FROM recs.run AS r
WHERE r.run_id = %(run_id)s

-- name: live_before
-- As-ofs before one, the newest first, of which the lake has the lists that are or were live: those of
-- the newest run are the same. Parameters: as_of, most.
SELECT DISTINCT r.as_of
FROM recs.run AS r
JOIN recs.switch AS s ON s.to_run = r.run_id
WHERE r.as_of < %(as_of)s AND r.list_hash = (
    SELECT n.list_hash FROM recs.run AS n
    WHERE n.as_of = r.as_of AND n.status <> 'staged'
    ORDER BY n.run_id DESC
    LIMIT 1
)
ORDER BY r.as_of DESC
LIMIT %(most)s
