-- Lookups and the list of runs, as apps and operators ask.

-- name: live
-- The live run: its number, as-of, users, when it went live, and the length of its lists, which the
-- first thousand tell.
SELECT
    r.run_id, r.as_of, r.users, l.switched_at,
    (
        SELECT max(cardinality(u.item_ids))
        FROM (SELECT o.item_ids FROM recs.user_list AS o WHERE o.run_id = r.run_id LIMIT 1000) AS u
    ) AS places
FROM recs.live AS l
JOIN recs.run AS r USING (run_id)

-- name: live_switch
-- The change that the live run became live by; no row before the first publication.
SELECT r.run_id, r.as_of, s.reason, s.by_user, s.switched_at
FROM recs.live AS l
INNER JOIN recs.run AS r ON l.run_id = r.run_id
INNER JOIN recs.switch AS s ON r.run_id = s.to_run
ORDER BY s.switch_id DESC
LIMIT 1

-- name: mentions
-- Rows of the published side that hold something of a user. Parameter: user_id.
SELECT
    (SELECT count(*) FROM recs.user_list AS l WHERE l.user_id = %(user_id)s)
    + (SELECT count(*) FROM recs.blocked AS b WHERE b.user_id = %(user_id)s)
    + (SELECT count(*) FROM recs.quarantined_row AS q WHERE q.user_id = cast(%(user_id)s AS text))

-- name: published
-- Instants that a configuration has published a run of, and whether one of the instant's runs is live.
-- Parameters: config_hash, first, last.
SELECT r.as_of, bool_or(EXISTS (SELECT FROM recs.live AS l WHERE l.run_id = r.run_id)) AS live
FROM recs.run AS r
WHERE r.config_hash = %(config_hash)s AND r.as_of BETWEEN %(first)s AND %(last)s
    AND r.published_at IS NOT NULL
GROUP BY r.as_of
ORDER BY r.as_of

-- name: runs
-- The newest runs, newest first, and the live one, however old. Parameter: n.
WITH newest AS (SELECT r.run_id FROM recs.run AS r ORDER BY r.run_id DESC LIMIT %(n)s)
SELECT
    r.run_id, r.as_of, r.status, l.run_id IS NOT NULL AS live,
    r.users, r.list_hash, r.published_at, r.stats, r.audit
FROM recs.run AS r
LEFT JOIN recs.live AS l USING (run_id)
WHERE l.run_id IS NOT NULL OR r.run_id IN (SELECT n.run_id FROM newest AS n)
ORDER BY r.run_id DESC

-- name: segments
-- The segments that the live run has a list for, in alphabetical order.
SELECT f.segment
FROM recs.fallback_list AS f
INNER JOIN recs.live AS l ON f.run_id = l.run_id
WHERE f.segment <> 'all'
ORDER BY f.segment COLLATE "C"

-- name: sizes
-- Bytes of the published side on disk, and of the whole database.
SELECT
    (
        SELECT coalesce(sum(pg_total_relation_size(c.oid)), 0)::bigint
        FROM pg_catalog.pg_class AS c
        JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
        WHERE n.nspname = 'recs' AND c.relkind = 'r'
    ) AS published,
    pg_database_size(current_database()) AS database

-- name: titles
-- Titles of items as the newest of some runs saw them, or the live one where none is named. Type: item_id.
-- Parameters: run_ids, item_ids (as text).
SELECT DISTINCT ON (i.item_id) i.item_id::text, i.title
FROM recs.item AS i
WHERE i.run_id = ANY (
        coalesce(%(run_ids)s::bigint[], ARRAY(SELECT l.run_id FROM recs.live AS l))
    )
    AND i.item_id = ANY (%(item_ids)s::text[]::{item_id}[])
    AND i.title IS NOT NULL
ORDER BY i.item_id, i.run_id DESC

-- name: top_n
-- A user's list as an app gets it. Parameters: user_id, n, segment.
SELECT t.rank, t.item_id::text, t.score, t.source
FROM recs.top_n(%(user_id)s, %(n)s, %(segment)s) AS t
ORDER BY t.rank
