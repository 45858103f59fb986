-- A list for users without their own. Parameters: run_id, segment, item_ids, scores.
INSERT INTO recs.fallback_list (run_id, segment, item_ids, scores)
VALUES (%(run_id)s, %(segment)s, %(item_ids)s::text[]::{item_id}[], %(scores)s::real[])
