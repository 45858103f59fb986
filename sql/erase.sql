-- Erasure of a person from the published side.

-- name: installed
-- Whether anybody can have been forgotten: the published side is there.
SELECT to_regclass('recs.forgotten_user') IS NOT NULL AS installed

-- name: forgotten_users
-- Ids of the users who were forgotten, as text.
SELECT f.user_id::text AS user_id FROM recs.forgotten_user AS f

-- name: list_tables
-- Every table of lists: published, half-loaded, or half-removed.
SELECT c.relname::text AS name
FROM pg_catalog.pg_class AS c
WHERE c.relnamespace = 'recs'::regnamespace AND c.relkind = 'r'
    AND c.relname LIKE 'user\_list\_run\_%'
ORDER BY c.relname

-- name: count_lists
-- Lists of a user in one table of lists. Identifier: partition; parameter: user_id.
SELECT count(*) AS lists FROM recs.{partition} AS l WHERE l.user_id = %(user_id)s

-- name: delete_lists
-- Deletes a user's list from one table of lists. Identifier: partition; parameter: user_id.
DELETE FROM recs.{partition} AS l WHERE l.user_id = %(user_id)s

-- name: nameless_rows
-- Quarantined rows without a usable user id, in which a user may be named all the same.
SELECT q.ctid::text AS place, q.source_row
FROM recs.quarantined_row AS q
WHERE q.user_id IS NULL AND q.source_row IS NOT NULL

-- name: delete_rows
-- Deletes quarantined rows. Parameter: places.
DELETE FROM recs.quarantined_row AS q WHERE q.ctid = ANY (%(places)s::tid[])
