-- The lists of a run for users without their own; uuids as text. Type: item. Literal: run_id.
SELECT f.segment, f.item_ids::{item}[] AS item_ids, f.scores
FROM recs.fallback_list AS f
WHERE f.run_id = {run_id}
ORDER BY f.segment COLLATE "C"
