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

-- name: of_people
-- Whether users and items are the same people.
SELECT recs.of_people() AS of_people

-- name: count_entries
-- Lists in one table of lists that hold a person, or give one as a reason. Identifier: partition;
-- parameter: person.
SELECT count(*) AS lists
FROM recs.{partition} AS l
WHERE %(person)s = ANY (l.item_ids) OR %(person)s = ANY (l.because_ids)

-- name: delete_entries
-- Takes a person out of others' lists in one table of lists, from every list of values that has one a
-- place, and out of the reasons. Identifier: partition; parameter: person.
UPDATE recs.{partition} AS l SET
    item_ids = l.item_ids[:e.place - 1] || l.item_ids[e.place + 1:],
    scores = l.scores[:e.place - 1] || l.scores[e.place + 1:],
    sources = l.sources[:e.place - 1] || l.sources[e.place + 1:],
    propensities = l.propensities[:e.place - 1] || l.propensities[e.place + 1:],
    because_ids = array_replace(l.because_ids, %(person)s, NULL),
    reasons = substr(l.reasons, 1, (e.place - 1) * e.width)
        || substr(l.reasons, e.place * e.width + 1)
FROM (
    SELECT
        o.user_id,
        coalesce(array_position(o.item_ids, %(person)s), cardinality(o.item_ids) + 1) AS place,
        octet_length(o.reasons) / nullif(cardinality(o.item_ids), 0) AS width
    FROM recs.{partition} AS o
    WHERE %(person)s = ANY (o.item_ids) OR %(person)s = ANY (o.because_ids)
) AS e
WHERE l.user_id = e.user_id
