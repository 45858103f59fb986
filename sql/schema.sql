-- The published side as all migrations together leave it; a test compares the two. Runs, their lists,
-- the pointer to the live run, tombstones, the quarantine, figures of runs, and who may do what;
-- sql/repeatable/ has the lookup, the views and the comments. The schema is there already; whoever runs
-- this acts as recsys_writer, to whom everything belongs then.
-- `:user_id_type` and `:item_id_type` are the configured id types: bigint, uuid or text.

CREATE TABLE recs.migration (
    number integer PRIMARY KEY,
    name text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE recs.id_types (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    user_id text NOT NULL,
    item_id text NOT NULL
);
INSERT INTO recs.id_types (user_id, item_id) VALUES (':user_id_type', ':item_id_type');

CREATE TABLE recs.run (
    run_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    as_of timestamptz NOT NULL,
    status text NOT NULL DEFAULT 'staged' CHECK (status IN ('staged', 'held', 'published', 'retired')),
    config_hash text NOT NULL,
    code_version text NOT NULL,
    models text[] NOT NULL,
    users bigint,
    list_hash text,
    stats jsonb NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    published_at timestamptz,
    audit jsonb
);

CREATE TABLE recs.user_list (
    run_id bigint NOT NULL,
    user_id :user_id_type NOT NULL,
    item_ids :item_id_type[] NOT NULL,
    scores real[] NOT NULL,
    sources smallint[] NOT NULL,
    propensities real[] NOT NULL,
    because_ids :item_id_type[],
    reasons bytea,
    PRIMARY KEY (run_id, user_id)
) PARTITION BY LIST (run_id);
-- What lookups read stays in the row, and reasons, which are seldom asked for, outside of it.
ALTER TABLE recs.user_list
    ALTER COLUMN item_ids SET STORAGE MAIN,
    ALTER COLUMN scores SET STORAGE MAIN,
    ALTER COLUMN sources SET STORAGE MAIN,
    ALTER COLUMN propensities SET STORAGE MAIN,
    ALTER COLUMN because_ids SET STORAGE EXTERNAL,
    ALTER COLUMN reasons SET STORAGE EXTERNAL;

CREATE TABLE recs.fallback_list (
    run_id bigint NOT NULL REFERENCES recs.run ON DELETE CASCADE,
    segment text NOT NULL,
    item_ids :item_id_type[] NOT NULL,
    scores real[] NOT NULL,
    PRIMARY KEY (run_id, segment)
);

CREATE TABLE recs.live (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    run_id bigint NOT NULL REFERENCES recs.run,
    switched_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE recs.switch (
    switch_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    from_run bigint REFERENCES recs.run,
    to_run bigint NOT NULL REFERENCES recs.run,
    reason text NOT NULL,
    by_user text NOT NULL DEFAULT session_user,
    switched_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE recs.blocked (
    user_id :user_id_type NOT NULL,
    item_id :item_id_type NOT NULL,
    blocked_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (user_id, item_id)
);

CREATE TABLE recs.removed_item (
    item_id :item_id_type PRIMARY KEY,
    removed_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE recs.forgotten_user (
    user_id :user_id_type PRIMARY KEY,
    forgotten_at timestamptz NOT NULL DEFAULT now()
);

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
-- Without a key, rows of a table that a publication of changes has could not be deleted.
ALTER TABLE recs.quarantined_row REPLICA IDENTITY FULL;

-- A number of an advisory lock could be taken by any login; nobody but the writer can lock a row.
CREATE TABLE recs.lake_folder (
    folder text PRIMARY KEY
);

-- Beside the lists, what analysts ask of a run: its items, its figures, who was served, which rules of
-- contracts held; and nights that ended before there were lists.
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

CREATE FUNCTION recs.remove_item(item :item_id_type) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    INSERT INTO recs.removed_item (item_id) VALUES (item) ON CONFLICT DO NOTHING;
END;

-- A publication does not wait for who is forgetting a user, and may add a list while that goes on: so
-- lists are deleted at the end of the transaction, when such a one can be seen.
CREATE FUNCTION recs.delete_lists() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $delete$
DECLARE
    loose text;
BEGIN
    IF current_setting('transaction_isolation') <> 'read committed' THEN
        RAISE EXCEPTION 'recs.forget_user in a transaction that is not READ COMMITTED'
            USING HINT = 'It could not see the lists that are published meanwhile.';
    END IF;
    -- A publication holds a lock against this one from before it looks for forgotten users.
    LOCK TABLE recs.live IN ROW EXCLUSIVE MODE;
    DELETE FROM recs.user_list WHERE user_id = NEW.user_id;
    DELETE FROM recs.quarantined_row WHERE user_id = NEW.user_id::text;
    -- Tables that are being loaded or removed.
    FOR loose IN
        SELECT c.relname
        FROM pg_catalog.pg_class AS c
        LEFT JOIN pg_catalog.pg_inherits AS i ON i.inhrelid = c.oid
        WHERE c.relnamespace = 'recs'::regnamespace AND c.relkind = 'r'
            AND c.relname LIKE 'user\_list\_run\_%' AND coalesce(i.inhdetachpending, true)
    LOOP
        BEGIN
            -- While they are loaded, uuids are text there.
            EXECUTE format('DELETE FROM recs.%I WHERE user_id::text = $1', loose)
            USING NEW.user_id::text;
        EXCEPTION WHEN undefined_table THEN
            NULL;
        END;
    END LOOP;
    RETURN NULL;
END
$delete$;
CREATE CONSTRAINT TRIGGER delete_lists AFTER INSERT OR UPDATE ON recs.forgotten_user
DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION recs.delete_lists();

CREATE FUNCTION recs.why(for_user :user_id_type, item :item_id_type, run bigint DEFAULT NULL)
RETURNS TABLE (
    run_id bigint,
    as_of timestamptz,
    verdict text,
    rank integer,
    score real,
    source text,
    propensity real,
    place_before integer,
    because :item_id_type,
    because_share real,
    generators text[],
    opinions real[]
)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    WITH asked AS (
        SELECT r.run_id, r.as_of, r.models
        FROM recs.run AS r
        WHERE r.run_id = coalesce(run, (SELECT p.run_id FROM recs.live AS p))
            AND r.status IN ('published', 'held')
    ),
    list AS (
        SELECT l.*, array_position(l.item_ids, item) AS place, cardinality(l.item_ids) AS places
        FROM recs.user_list AS l
        WHERE l.run_id = (SELECT a.run_id FROM asked AS a) AND l.user_id = for_user
    ),
    -- One record of equal length a place.
    record AS (
        SELECT
            l.*, octet_length(l.reasons) / nullif(l.places, 0) AS width,
            (l.place - 1) * (octet_length(l.reasons) / nullif(l.places, 0)) AS start
        FROM list AS l
        WHERE l.place IS NOT NULL
    ),
    reason AS (
        SELECT
            e.place, e.scores[e.place] AS score, e.sources[e.place] AS source,
            e.propensities[e.place] AS propensity,
            nullif(get_byte(e.reasons, e.start) * 256 + get_byte(e.reasons, e.start + 1), 0) AS place_before,
            e.because_ids[get_byte(e.reasons, e.start + 2) * 256 + get_byte(e.reasons, e.start + 3)] AS because,
            get_byte(e.reasons, e.start + 4) / 255.0 AS because_share,
            e.width - 5 AS generators,
            ARRAY(
                SELECT
                    CASE
                        WHEN g.code = 0 THEN NULL
                        ELSE sign(g.code - 128) * ((g.code - 128) / 20.0) ^ 2
                    END
                FROM (
                    SELECT get_byte(e.reasons, e.start + 5 + n) AS code
                    FROM generate_series(0, e.width - 6) AS n
                ) AS g
            )::real[] AS opinions
        FROM record AS e
    )
    SELECT
        a.run_id,
        a.as_of,
        CASE
            WHEN EXISTS (SELECT FROM recs.forgotten_user AS f WHERE f.user_id = for_user) THEN 'forgotten'
            WHEN NOT EXISTS (SELECT FROM list) THEN 'no list'
            WHEN NOT EXISTS (SELECT FROM record) THEN 'not listed'
            WHEN EXISTS (SELECT FROM recs.removed_item AS x WHERE x.item_id = item) THEN 'removed since'
            WHEN EXISTS (
                SELECT FROM recs.blocked AS b WHERE b.user_id = for_user AND b.item_id = item
            ) THEN 'blocked since'
            ELSE 'listed'
        END,
        e.place,
        e.score,
        a.models[e.source + 1],
        e.propensity,
        e.place_before,
        CASE WHEN shown.may THEN e.because END,
        CASE WHEN shown.may THEN e.because_share::real END,
        a.models[:e.generators],
        e.opinions
    FROM asked AS a
    LEFT JOIN reason AS e ON true
    CROSS JOIN LATERAL (
        SELECT
            e.because IS NOT NULL
            AND NOT EXISTS (SELECT FROM recs.removed_item AS x WHERE x.item_id = e.because)
            AND NOT EXISTS (
                SELECT FROM recs.blocked AS b WHERE b.user_id = for_user AND b.item_id = e.because
            ) AS may
    ) AS shown;
END;

GRANT USAGE ON SCHEMA recs TO recsys_analyst, recsys_app;
GRANT SELECT ON recs.run, recs.user_list, recs.fallback_list, recs.live TO recsys_analyst;
REVOKE ALL ON FUNCTION recs.remove_item, recs.delete_lists FROM public;
GRANT USAGE ON SCHEMA recs TO recsys_moderator;
GRANT EXECUTE ON FUNCTION recs.remove_item TO recsys_moderator;
REVOKE ALL ON FUNCTION recs.why FROM public;
GRANT EXECUTE ON FUNCTION recs.why TO recsys_analyst;
GRANT SELECT ON recs.switch, recs.removed_item TO recsys_analyst;
GRANT SELECT ON recs.item, recs.run_metric, recs.population, recs.stopped_night TO recsys_analyst;
