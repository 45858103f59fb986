-- Rows of the sources that a run could not use, for analysts to look at.

CREATE TABLE recs.quarantined_row (
    run_id bigint NOT NULL REFERENCES recs.run ON DELETE CASCADE,
    source text NOT NULL,
    user_id text,
    item_id text,
    reject_reason text NOT NULL,
    source_row text
);
-- Not on the ids: a text id may be longer than an index takes.
CREATE INDEX ON recs.quarantined_row (run_id);
COMMENT ON TABLE recs.quarantined_row IS 'One source row that a run could not use; analysts see recs.quarantine.';

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

CREATE OR REPLACE FUNCTION recs.forget_user(gone :user_id_type) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    INSERT INTO recs.forgotten_user (user_id) VALUES (gone) ON CONFLICT DO NOTHING;
    DELETE FROM recs.blocked WHERE user_id = gone;
    DELETE FROM recs.user_list WHERE user_id = gone;
    DELETE FROM recs.quarantined_row WHERE user_id = gone::text;
END;
COMMENT ON FUNCTION recs.forget_user IS 'Deletes the user''s lists and quarantined rows; later lists are not used.';

ALTER TABLE recs.quarantined_row OWNER TO recsys_writer;
ALTER VIEW recs.quarantine OWNER TO recsys_writer;
GRANT SELECT ON recs.quarantine TO recsys_analyst;
