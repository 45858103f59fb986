-- Deletes what is kept of retired runs beside their lists.
WITH gone AS (
    DELETE FROM recs.fallback_list AS f USING recs.run AS r
    WHERE r.run_id = f.run_id AND r.status = 'retired'
)
DELETE FROM recs.quarantined_row AS q USING recs.run AS r
WHERE r.run_id = q.run_id AND r.status = 'retired'
