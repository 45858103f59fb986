-- Marks old runs for removal, never the live one: of those that have been live the newest stay, and
-- as many of the others, so that a backfill does not take away what a rollback would go back to.
-- Parameter: keep.
WITH placed AS (
    SELECT r.run_id, row_number() OVER (
        PARTITION BY EXISTS (SELECT FROM recs.switch AS s WHERE s.to_run = r.run_id)
        ORDER BY r.run_id DESC
    ) AS place
    FROM recs.run AS r
    WHERE r.status IN ('published', 'held')
)
UPDATE recs.run SET status = 'retired'
FROM placed AS p
WHERE run.run_id = p.run_id AND p.place > %(keep)s
    AND NOT EXISTS (SELECT FROM recs.live AS l WHERE l.run_id = p.run_id)
