-- Reasons that a run keeps with its lists, for people to read.

-- name: asked_run
-- The live run; with an as-of, the newest one of it whose lists are there. Parameter: as_of or null.
SELECT r.run_id, r.as_of, r.config_hash
FROM recs.run AS r
LEFT JOIN recs.live AS l USING (run_id)
WHERE CASE
    WHEN %(as_of)s::timestamptz IS NULL THEN l.run_id IS NOT NULL
    ELSE r.as_of = %(as_of)s::timestamptz AND r.status IN ('published', 'held')
END
ORDER BY l.run_id IS NULL, r.run_id DESC
LIMIT 1

-- name: kept
-- Why an item is on a user's list of a run. Parameters: user_id, item_id, run_id.
SELECT
    w.verdict, w.rank, w.score, w.source, w.propensity, w.place_before, w.because::text AS because,
    w.because_share, w.generators, w.opinions
FROM recs.why(%(user_id)s, %(item_id)s, %(run_id)s) AS w

-- name: listed
-- A user's list as an app gets it, with why each item is there. Parameters: user_id, n, segment.
SELECT
    t.rank AS place, t.item_id::text AS item_id,
    w.verdict, w.rank, w.score, coalesce(w.source, t.source) AS source, w.propensity, w.place_before,
    w.because::text AS because, w.because_share, w.generators, w.opinions
FROM recs.top_n(%(user_id)s, %(n)s, %(segment)s) AS t
CROSS JOIN LATERAL recs.why(%(user_id)s, t.item_id) AS w
ORDER BY t.rank

-- name: hidden
-- Items that were removed, or that a user has blocked since. Parameters: user_id, items, as text.
SELECT x.item_id::text AS item_id
FROM recs.removed_item AS x
WHERE x.item_id::text = ANY(%(items)s)
UNION
SELECT b.item_id::text
FROM recs.blocked AS b
WHERE b.user_id = %(user_id)s AND b.item_id::text = ANY(%(items)s)
