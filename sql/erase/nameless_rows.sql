-- Quarantined rows without a usable user id, in which a user may be named all the same.
SELECT q.ctid::text AS place, q.source_row
FROM recs.quarantined_row AS q
WHERE q.user_id IS NULL AND q.source_row IS NOT NULL
