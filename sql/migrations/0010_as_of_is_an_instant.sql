-- A run is as of an instant, so that there may be several a day; what was a date is its midnight in UTC.
-- The two views that show it are made anew, with the rights that people were given on them.

SELECT set_config(
    'recsys.grants_on_views',
    (
        SELECT coalesce(
            string_agg(
                format(
                    'GRANT %s ON recs.%I TO %s%s',
                    a.privilege_type,
                    v.relname,
                    CASE WHEN a.grantee = 0 THEN 'PUBLIC' ELSE a.grantee::regrole::text END,
                    CASE WHEN a.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END
                ),
                '; '
            ),
            ''
        )
        FROM pg_class AS v
        CROSS JOIN LATERAL aclexplode(v.relacl) AS a
        WHERE v.oid IN ('recs.list_item'::regclass, 'recs.quarantine'::regclass)
            AND a.grantee <> v.relowner
    ),
    true
);

DROP VIEW recs.list_item, recs.quarantine;

ALTER TABLE recs.run ALTER COLUMN as_of TYPE timestamptz USING as_of::timestamp AT TIME ZONE 'UTC';
COMMENT ON COLUMN recs.run.as_of IS 'Exclusive bound: the run knows only what was known before this instant.';

CREATE VIEW recs.list_item AS
SELECT
    r.run_id,
    r.as_of,
    EXISTS (SELECT FROM recs.live AS p WHERE p.run_id = r.run_id) AS live,
    l.user_id,
    e.rank::integer AS rank,
    e.item_id,
    e.score,
    r.models[e.source + 1] AS source,
    e.propensity
FROM recs.user_list AS l
JOIN recs.run AS r USING (run_id)
CROSS JOIN LATERAL unnest(l.item_ids, l.scores, l.sources, l.propensities)
    WITH ORDINALITY AS e (item_id, score, source, propensity, rank);
COMMENT ON VIEW recs.list_item IS 'One row an item of a list, of every run that is kept.';
COMMENT ON COLUMN recs.list_item.propensity IS 'Chance with which the policy placed the item there, given the list''s earlier explore entries; 1 where it does not draw.';

CREATE VIEW recs.quarantine AS
SELECT r.run_id, r.as_of, q.source, q.user_id, q.item_id, q.reject_reason, q.source_row
FROM recs.quarantined_row AS q
JOIN recs.run AS r USING (run_id)
WHERE r.status IN ('published', 'held');
COMMENT ON VIEW recs.quarantine IS 'One source row that could not be used, of every run that is kept.';
COMMENT ON COLUMN recs.quarantine.source IS 'Name of the source under [sources].';
COMMENT ON COLUMN recs.quarantine.user_id IS 'The user, as text; null where the row has none or no id of the type.';
COMMENT ON COLUMN recs.quarantine.item_id IS 'The item, as text; null where the row has none or no id of the type.';
COMMENT ON COLUMN recs.quarantine.reject_reason IS 'The rule that the row breaks.';
COMMENT ON COLUMN recs.quarantine.source_row IS 'The row as read, as JSON; as text, since jsonb takes neither NaN nor \u0000.';

ALTER VIEW recs.list_item OWNER TO recsys_writer;
ALTER VIEW recs.quarantine OWNER TO recsys_writer;
DO $again$
BEGIN
    IF current_setting('recsys.grants_on_views') <> '' THEN
        EXECUTE current_setting('recsys.grants_on_views');
    END IF;
END
$again$;
