-- A run as the record has it, for the sinks that follow.

-- name: kept
-- Runs whose lists are kept, newest first.
SELECT r.run_id FROM recs.run AS r WHERE r.status IN ('published', 'held') ORDER BY r.run_id DESC

-- name: run
-- What is known of a run from its start. Parameter: run_id.
SELECT r.as_of, r.config_hash, r.code_version, r.models, r.stats
FROM recs.run AS r
WHERE r.run_id = %(run_id)s

-- name: lists
-- Every list of a run, whole; uuids as text. Types: user, item. Literal: run_id.
SELECT
    l.user_id::{user} AS user_id,
    l.item_ids::{item}[] AS item_ids,
    l.scores, l.sources, l.propensities,
    l.because_ids::{item}[] AS because_ids,
    l.reasons
FROM recs.user_list AS l
WHERE l.run_id = {run_id}
ORDER BY l.user_id

-- name: fallback
-- The lists of a run for users without their own; uuids as text. Type: item. Literal: run_id.
SELECT f.segment, f.item_ids::{item}[] AS item_ids, f.scores
FROM recs.fallback_list AS f
WHERE f.run_id = {run_id}
ORDER BY f.segment COLLATE "C"
