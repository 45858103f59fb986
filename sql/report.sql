-- What the report of a run is made from.

-- name: run
-- One run and what became of it; the newest that is complete where none is named. Parameter: run_id.
SELECT
    r.run_id, r.as_of, r.status, r.config_hash, r.code_version, r.models, r.users, r.list_hash,
    r.created_at, r.published_at, n.outcome, n.reason,
    EXISTS (SELECT FROM recs.live AS l WHERE l.run_id = r.run_id) AS live,
    (r.audit -> 'figures' ->> 'live_run')::bigint AS compared_with,
    (r.stats -> 'matrix' ->> 'available_items')::bigint AS available_items
FROM recs.run AS r
JOIN recs.night AS n USING (run_id)
WHERE r.run_id = coalesce(
    %(run_id)s::bigint, (SELECT max(o.run_id) FROM recs.run AS o WHERE o.status <> 'staged')
)

-- name: earlier
-- A run and those that were published before it, oldest first. Parameters: run_id, n.
SELECT o.run_id, o.as_of
FROM (
    SELECT r.run_id, r.as_of
    FROM recs.run AS r
    WHERE r.run_id <= %(run_id)s AND r.status <> 'staged'
    ORDER BY r.run_id DESC
    LIMIT %(n)s
) AS o
ORDER BY o.run_id

-- name: metrics
-- The figures of some runs. Parameter: run_ids.
SELECT m.run_id, m.name, m.value, m.band, m.label, m.low, m.high, m.least, m.most
FROM recs.run_metric AS m
WHERE m.run_id = ANY (%(run_ids)s)
ORDER BY m.run_id, m.name COLLATE "C", m.band COLLATE "C", m.label COLLATE "C"

-- name: rules
-- The rules of contracts that a run was held to, broken ones first. Parameter: run_id.
SELECT c.table_name, c.rule, c.severity, c.observed, c.allowed, c.passed
FROM recs.contract_result AS c
WHERE c.run_id = %(run_id)s
ORDER BY c.passed, c.severity COLLATE "C", c.table_name COLLATE "C", c.rule COLLATE "C"

-- name: segments
-- Whom a run answers with what, the largest segment first. Parameters: run_id, n.
SELECT s.segment, s.users, s.fallback_share, s.cold_share, s.empty_share
FROM recs.segment_share AS s
WHERE s.run_id = %(run_id)s
ORDER BY s.users DESC, s.segment COLLATE "C"
LIMIT %(n)s

-- name: places
-- The first places of some users' lists of a run, with why each item is there. Type: user_id.
-- Parameters: run_id, user_ids (as text), n.
SELECT
    l.user_id::text AS user_id, l.rank AS place, l.item_id::text AS item_id, l.title,
    b.title AS because_title,
    w.verdict, w.rank, w.score, w.source, w.propensity, w.place_before, w.because::text AS because,
    w.because_share, w.generators, w.opinions
FROM recs.list_item AS l
CROSS JOIN LATERAL recs.why(l.user_id, l.item_id, l.run_id) AS w
LEFT JOIN recs.item AS b ON b.run_id = l.run_id AND b.item_id = w.because
WHERE l.run_id = %(run_id)s AND l.user_id = ANY (%(user_ids)s::text[]::{user_id}[])
    AND l.rank <= %(n)s
ORDER BY l.user_id, l.rank
