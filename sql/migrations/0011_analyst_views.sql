-- Beside the lists, what analysts ask of a run: its items, its figures, who was served, which rules of
-- contracts held; and nights that ended before there were lists. The views on them are in
-- sql/repeatable/views.sql.

CREATE TABLE recs.item (
    run_id bigint NOT NULL REFERENCES recs.run ON DELETE CASCADE,
    item_id :item_id_type NOT NULL,
    title text,
    available boolean NOT NULL,
    tags text[] NOT NULL,
    attributes text[] NOT NULL,
    lists bigint NOT NULL,
    exposure double precision NOT NULL,
    PRIMARY KEY (run_id, item_id)
);

CREATE TABLE recs.run_metric (
    run_id bigint NOT NULL REFERENCES recs.run ON DELETE CASCADE,
    name text NOT NULL,
    band text,
    label text,
    value double precision NOT NULL,
    low double precision,
    high double precision,
    least double precision,
    most double precision
);
CREATE INDEX ON recs.run_metric (run_id, name);
CREATE INDEX ON recs.run_metric (name, run_id);

CREATE TABLE recs.population (
    run_id bigint NOT NULL REFERENCES recs.run ON DELETE CASCADE,
    segment text NOT NULL,
    band text NOT NULL,
    users bigint NOT NULL,
    listed bigint NOT NULL,
    empty bigint NOT NULL,
    fallback bigint NOT NULL,
    inactive bigint NOT NULL,
    PRIMARY KEY (run_id, segment, band)
);

CREATE TABLE recs.stopped_night (
    stop_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    as_of timestamptz NOT NULL,
    step text NOT NULL,
    error text NOT NULL,
    exit_code integer NOT NULL,
    reason text NOT NULL,
    config_hash text NOT NULL,
    code_version text NOT NULL,
    stopped_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE recs.rule_result (
    run_id bigint REFERENCES recs.run ON DELETE CASCADE,
    stop_id bigint REFERENCES recs.stopped_night ON DELETE CASCADE,
    table_name text NOT NULL,
    rule text NOT NULL,
    severity text NOT NULL CHECK (severity IN ('fail', 'warn')),
    passed boolean NOT NULL,
    observed text,
    allowed text NOT NULL,
    CHECK (num_nonnulls(run_id, stop_id) = 1)
);
CREATE INDEX ON recs.rule_result (run_id);
CREATE INDEX ON recs.rule_result (stop_id);

ALTER TABLE recs.item OWNER TO recsys_writer;
ALTER TABLE recs.run_metric OWNER TO recsys_writer;
ALTER TABLE recs.population OWNER TO recsys_writer;
ALTER TABLE recs.stopped_night OWNER TO recsys_writer;
ALTER TABLE recs.rule_result OWNER TO recsys_writer;

GRANT SELECT ON recs.item, recs.run_metric, recs.population, recs.stopped_night TO recsys_analyst;

-- What is known of runs that were published before.
INSERT INTO recs.run_metric (run_id, name, value)
SELECT r.run_id, f.key, f.value::double precision
FROM recs.run AS r
CROSS JOIN LATERAL jsonb_each_text(r.audit -> 'figures') AS f
WHERE f.key <> 'live_run' AND f.value IS NOT NULL;
INSERT INTO recs.run_metric (run_id, name, label, value)
SELECT r.run_id, 'rows_' || part.name, f.key, f.value::double precision
FROM recs.run AS r
CROSS JOIN (VALUES ('read'), ('rejected')) AS part (name)
CROSS JOIN LATERAL jsonb_each_text(r.stats -> part.name) AS f
WHERE r.status <> 'staged';
