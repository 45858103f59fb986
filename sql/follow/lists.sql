-- Every list of a run, whole; uuids as text. Types: user, item. Literal: run_id.
SELECT
    l.user_id::{user} AS user_id,
    l.item_ids::{item}[] AS item_ids,
    l.scores, l.sources, l.propensities
FROM recs.user_list AS l
WHERE l.run_id = {run_id}
ORDER BY l.user_id
