-- The first places of every list of a run; uuids as text. Types: user_type, item_type. Literals:
-- depth, run_id.
SELECT
    l.user_id::{user_type} AS user_id,
    l.item_ids[1:{depth}]::{item_type}[] AS item_ids,
    l.scores[1:{depth}] AS scores
FROM recs.user_list AS l
WHERE l.run_id = {run_id}
