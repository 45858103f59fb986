-- The lookup, installed anew by every `recsys migrate`. `recs.top_n` numbers the rows of `recs.listed`,
-- which `recs.write_lookup` writes at each switch of the live run; listed.example.sql shows what it
-- writes. `:user_id_type` and `:item_id_type` are the configured id types: bigint, uuid or text.

-- The lookup names the live run's table, because to find it among the partitions is a tenth of the
-- cost. It answers from the user's own list, else from the segment's if there is one, else from
-- everybody's. A user whose own list is empty gets nothing: everything was seen, blocked or
-- unavailable, and popular items would be too.
CREATE OR REPLACE FUNCTION recs.write_lookup(run bigint) RETURNS void
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
SELECT recs.write_lookup(coalesce((SELECT p.run_id FROM recs.live AS p), 0));
COMMENT ON FUNCTION recs.listed IS 'What recs.top_n gives, without the rank.';

-- Not SECURITY DEFINER and without SET, so that Postgres puts it into the caller's statement.
CREATE OR REPLACE FUNCTION recs.top_n(
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
GRANT EXECUTE ON FUNCTION recs.listed, recs.top_n TO recsys_analyst, recsys_app;

-- What lookups leave out from now on. Where users and items are the same people, a block hides each of
-- the two from the other, and who is forgotten is on nobody's list. Not as single statements: the casts
-- are planned where they hold alone, and ids of users and items may be of different types.
CREATE OR REPLACE FUNCTION recs.of_people() RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT EXISTS (
        SELECT FROM recs.live AS l
        JOIN recs.run AS r ON r.run_id = l.run_id
        WHERE r.stats -> 'people' = 'true'::jsonb
    );
END;
COMMENT ON FUNCTION recs.of_people IS 'Whether users and items are the same people, as the live run says.';

CREATE OR REPLACE FUNCTION recs.block(for_user :user_id_type, item :item_id_type) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $block$
BEGIN
    INSERT INTO recs.blocked (user_id, item_id) VALUES (for_user, item) ON CONFLICT DO NOTHING;
    IF recs.of_people() THEN
        INSERT INTO recs.blocked (user_id, item_id)
        VALUES (item::text:::user_id_type, for_user::text:::item_id_type)
        ON CONFLICT DO NOTHING;
    END IF;
END
$block$;
COMMENT ON FUNCTION recs.block IS 'From the next lookup on, the user does not get the item; where items are people, nor the other way.';

CREATE OR REPLACE FUNCTION recs.forget_user(gone :user_id_type) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $forget$
BEGIN
    INSERT INTO recs.forgotten_user (user_id) VALUES (gone)
    ON CONFLICT (user_id) DO UPDATE SET forgotten_at = forgotten_user.forgotten_at;
    DELETE FROM recs.blocked WHERE user_id = gone;
    DELETE FROM recs.user_list WHERE user_id = gone;
    DELETE FROM recs.quarantined_row WHERE user_id = gone::text;
    IF recs.of_people() THEN
        INSERT INTO recs.removed_item (item_id) VALUES (gone::text:::item_id_type)
        ON CONFLICT DO NOTHING;
        DELETE FROM recs.blocked WHERE item_id = gone::text:::item_id_type;
        DELETE FROM recs.item WHERE item_id = gone::text:::item_id_type;
        DELETE FROM recs.quarantined_row WHERE item_id = gone::text;
    END IF;
END
$forget$;
COMMENT ON FUNCTION recs.forget_user IS 'Deletes the user''s lists and quarantined rows; later lists are not used, and where items are people, nobody gets the user.';

REVOKE ALL ON FUNCTION recs.of_people, recs.block, recs.forget_user FROM public;
GRANT EXECUTE ON FUNCTION recs.block, recs.forget_user TO recsys_moderator;
