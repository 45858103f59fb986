-- The published side as all migrations together leave it; a test compares the two. Runs, their lists,
-- the pointer to the live run, tombstones, the quarantine, the lookup, and who may do what. The schema
-- is there already; whoever runs this acts as recsys_writer, to whom everything belongs then.
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
COMMENT ON TABLE recs.run IS 'One row a run of the pipeline; kept after its lists are gone.';
COMMENT ON COLUMN recs.run.as_of IS 'Exclusive bound: the run knows only what was known before this instant.';
COMMENT ON COLUMN recs.run.models IS 'Names of the models; the lists refer to them by position, from 0.';
COMMENT ON COLUMN recs.run.list_hash IS 'Checksum of all lists; equal for runs that published the same.';
COMMENT ON COLUMN recs.run.audit IS 'Figures against the run that was live, and the gates that were not passed.';

CREATE TABLE recs.user_list (
    run_id bigint NOT NULL,
    user_id :user_id_type NOT NULL,
    item_ids :item_id_type[] NOT NULL,
    scores real[] NOT NULL,
    sources smallint[] NOT NULL,
    propensities real[] NOT NULL,
    PRIMARY KEY (run_id, user_id)
) PARTITION BY LIST (run_id);
COMMENT ON TABLE recs.user_list IS 'One row a user and run: the list, best first, as arrays of one length.';
COMMENT ON COLUMN recs.user_list.propensities IS 'Chance with which the policy placed each item there, given the list''s earlier explore entries; 1 where it does not draw.';

CREATE TABLE recs.fallback_list (
    run_id bigint NOT NULL REFERENCES recs.run ON DELETE CASCADE,
    segment text NOT NULL,
    item_ids :item_id_type[] NOT NULL,
    scores real[] NOT NULL,
    PRIMARY KEY (run_id, segment)
);
COMMENT ON TABLE recs.fallback_list IS 'Lists for users without their own, one row a segment and run: all for everybody, path=value for the users whose profile has the value.';

CREATE TABLE recs.live (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    run_id bigint NOT NULL REFERENCES recs.run,
    switched_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE recs.live IS 'The one run that lookups answer from.';

CREATE TABLE recs.switch (
    switch_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    from_run bigint REFERENCES recs.run,
    to_run bigint NOT NULL REFERENCES recs.run,
    reason text NOT NULL,
    by_user text NOT NULL DEFAULT session_user,
    switched_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE recs.switch IS 'One row a change of the live run: publications, rollbacks, forced ones.';

CREATE TABLE recs.blocked (
    user_id :user_id_type NOT NULL,
    item_id :item_id_type NOT NULL,
    blocked_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (user_id, item_id)
);
COMMENT ON TABLE recs.blocked IS 'Items that a user must not see from now on, whatever lists say.';

CREATE TABLE recs.removed_item (
    item_id :item_id_type PRIMARY KEY,
    removed_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE recs.removed_item IS 'Items that nobody must see from now on, whatever lists say.';

CREATE TABLE recs.forgotten_user (
    user_id :user_id_type PRIMARY KEY,
    forgotten_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE recs.forgotten_user IS 'Users whose lists are not published any more.';

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

CREATE FUNCTION recs.block(for_user :user_id_type, item :item_id_type) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    INSERT INTO recs.blocked (user_id, item_id) VALUES (for_user, item) ON CONFLICT DO NOTHING;
END;
COMMENT ON FUNCTION recs.block IS 'From the next lookup on, the user does not get the item.';

CREATE FUNCTION recs.remove_item(item :item_id_type) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    INSERT INTO recs.removed_item (item_id) VALUES (item) ON CONFLICT DO NOTHING;
END;
COMMENT ON FUNCTION recs.remove_item IS 'From the next lookup on, nobody gets the item.';

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

CREATE FUNCTION recs.forget_user(gone :user_id_type) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    INSERT INTO recs.forgotten_user (user_id) VALUES (gone)
    ON CONFLICT (user_id) DO UPDATE SET forgotten_at = forgotten_user.forgotten_at;
    DELETE FROM recs.blocked WHERE user_id = gone;
    DELETE FROM recs.user_list WHERE user_id = gone;
    DELETE FROM recs.quarantined_row WHERE user_id = gone::text;
END;
COMMENT ON FUNCTION recs.forget_user IS 'Deletes the user''s lists and quarantined rows; later lists are not used.';

-- The lookup names the live run's table, because to find it among the partitions is a tenth of the
-- cost. It answers from the user's own list, else from the segment's if there is one, else from
-- everybody's. A user whose own list is empty gets nothing: everything was seen, blocked or
-- unavailable, and popular items would be too.
CREATE FUNCTION recs.write_lookup(run bigint) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $write$
DECLARE
    -- unnest gives places in their order, and only as many as the limit asks for; each is looked for
    -- among the removed items by key, where NOT EXISTS would read all of them.
    own CONSTANT text := $own$
        RETURN QUERY
        SELECT e.item_id, e.score, (%3$s)[e.source OPERATOR(pg_catalog.+) 1]
        FROM (
            SELECT
                pg_catalog.unnest(l.item_ids) AS item_id,
                pg_catalog.unnest(l.scores) AS score,
                pg_catalog.unnest(l.sources) AS source
            FROM %1$s AS l
            WHERE l.run_id OPERATOR(pg_catalog.=) %2$s
                AND l.user_id OPERATOR(pg_catalog.=) for_user
        ) AS e
        WHERE (
                SELECT true FROM recs.removed_item AS x
                WHERE x.item_id OPERATOR(pg_catalog.=) e.item_id
            ) IS NULL
            AND e.item_id OPERATOR(pg_catalog.<>) ALL (
                ARRAY(
                    SELECT b.item_id FROM recs.blocked AS b
                    WHERE b.user_id OPERATOR(pg_catalog.=) for_user
                )
            )
        LIMIT n;
        IF NOT FOUND THEN
            PERFORM FROM %1$s AS l
            WHERE l.run_id OPERATOR(pg_catalog.=) %2$s
                AND l.user_id OPERATOR(pg_catalog.=) for_user;
        END IF;
    $own$;
    -- It runs with its owner's rights and the caller's search_path, as to set one takes time at every
    -- call: so all it uses is named with its schema, operators too.
    body CONSTANT text := $body$
DECLARE
    live_run bigint;
BEGIN
    SELECT p.run_id INTO live_run FROM recs.live AS p;
    IF live_run OPERATOR(pg_catalog.=) %1$s THEN
        %2$s
    ELSE
        %3$s
    END IF;
    IF FOUND THEN
        RETURN;
    END IF;

    RETURN QUERY
    SELECT e.item_id, e.score, e.source
    FROM (
        SELECT
            pg_catalog.unnest(chosen.item_ids) AS item_id,
            pg_catalog.unnest(chosen.scores) AS score,
            CASE WHEN chosen.own THEN 'segment' ELSE 'popular' END AS source
        FROM (
            SELECT f.item_ids, f.scores, f.segment OPERATOR(pg_catalog.<>) 'all' AS own
            FROM recs.fallback_list AS f
            WHERE f.run_id OPERATOR(pg_catalog.=) live_run
                AND f.segment OPERATOR(pg_catalog.=) ANY (ARRAY['all', listed.segment])
            ORDER BY f.segment OPERATOR(pg_catalog.=) 'all'
            LIMIT 1
        ) AS chosen
    ) AS e
    WHERE (
            SELECT true FROM recs.removed_item AS x
            WHERE x.item_id OPERATOR(pg_catalog.=) e.item_id
        ) IS NULL
        AND e.item_id OPERATOR(pg_catalog.<>) ALL (
            ARRAY(
                SELECT b.item_id FROM recs.blocked AS b
                WHERE b.user_id OPERATOR(pg_catalog.=) for_user
            )
        )
    LIMIT n;
END
    $body$;
    named CONSTANT text := to_regclass('recs.user_list_run_' || run);
    names CONSTANT text[] := (SELECT r.models FROM recs.run AS r WHERE r.run_id = run);
    -- The limit keeps subplans from being copied into every partition.
    found CONSTANT text := '(SELECT p.* FROM recs.user_list AS p
            WHERE p.run_id OPERATOR(pg_catalog.=) live_run
                AND p.user_id OPERATOR(pg_catalog.=) for_user LIMIT 1)';
    odd CONSTANT text := (SELECT m FROM unnest(names) AS m WHERE m !~ '^[a-z][a-z0-9_]*$' LIMIT 1);
BEGIN
    IF odd IS NOT NULL THEN
        RAISE EXCEPTION 'run % names a model %, which is no identifier', run, quote_literal(odd);
    END IF;
    -- The body is a literal, not between dollar signs, which what is put into it could end.
    EXECUTE format(
        'CREATE OR REPLACE FUNCTION recs.listed(for_user :user_id_type, n integer, segment text) '
        'RETURNS TABLE (item_id :item_id_type, score real, source text) '
        'LANGUAGE plpgsql STABLE SECURITY DEFINER ROWS 20 AS %L',
        format(
            body,
            run,
            format(own, coalesce(named, found), run, format('%L::pg_catalog.text[]', names)),
            format(
                own,
                found,
                'live_run',
                'SELECT r.models FROM recs.run AS r WHERE r.run_id OPERATOR(pg_catalog.=) live_run'
            )
        )
    );
END
$write$;
COMMENT ON FUNCTION recs.write_lookup IS 'Writes the table of a run into the lookup; where another run is live, it finds that one''s.';
-- No run has the number 0.
SELECT recs.write_lookup(0);
COMMENT ON FUNCTION recs.listed IS 'What recs.top_n gives, without the rank.';

-- Not SECURITY DEFINER and without SET, so that Postgres puts it into the caller's statement.
CREATE FUNCTION recs.top_n(
    for_user :user_id_type, n integer DEFAULT 20, segment text DEFAULT NULL
)
RETURNS TABLE (rank integer, item_id :item_id_type, score real, source text)
LANGUAGE sql STABLE ROWS 20
BEGIN ATOMIC
    SELECT l.rank::integer, l.item_id, l.score, l.source
    FROM recs.listed(for_user, greatest(coalesce(n, 20), 0), segment)
        WITH ORDINALITY AS l (item_id, score, source, rank);
END;
COMMENT ON FUNCTION recs.top_n IS 'The n best items for a user, best first; the only thing an app calls.';

REVOKE ALL ON FUNCTION recs.write_lookup, recs.listed, recs.top_n FROM public;
GRANT USAGE ON SCHEMA recs TO recsys_analyst, recsys_app;
GRANT EXECUTE ON FUNCTION recs.listed, recs.top_n TO recsys_analyst, recsys_app;
GRANT SELECT ON recs.run, recs.user_list, recs.fallback_list, recs.live, recs.list_item
    TO recsys_analyst;
REVOKE ALL ON FUNCTION recs.block, recs.remove_item, recs.forget_user, recs.delete_lists
    FROM public;
GRANT USAGE ON SCHEMA recs TO recsys_moderator;
GRANT EXECUTE ON FUNCTION recs.block, recs.remove_item, recs.forget_user TO recsys_moderator;
GRANT SELECT ON recs.switch, recs.removed_item, recs.quarantine TO recsys_analyst;
