-- The lookup again, with the same answers. It names the live run's table, where 0005's looked for it
-- among the partitions; rows are numbered where they are read; and it does not ask whether a user was
-- forgotten, because no list of one is published any more.

DELETE FROM recs.user_list AS l USING recs.forgotten_user AS f WHERE f.user_id = l.user_id;
COMMENT ON TABLE recs.forgotten_user IS 'Users whose lists are not published any more.';

CREATE FUNCTION recs.write_lookup(run bigint) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $write$
DECLARE
    -- unnest gives places in their order, and only as many as the limit asks for; each is looked for
    -- among the removed items by key, where NOT EXISTS would read all of them.
    own CONSTANT text := $own$
        RETURN QUERY
        SELECT e.item_id, e.score, (%3$s)[e.source + 1]
        FROM (
            SELECT
                unnest(l.item_ids) AS item_id,
                unnest(l.scores) AS score,
                unnest(l.sources) AS source
            FROM %1$s AS l
            WHERE l.run_id = %2$s AND l.user_id = for_user
        ) AS e
        WHERE (SELECT true FROM recs.removed_item AS x WHERE x.item_id = e.item_id) IS NULL
            AND e.item_id <> ALL (
                ARRAY(SELECT b.item_id FROM recs.blocked AS b WHERE b.user_id = for_user)
            )
        LIMIT n;
        IF NOT FOUND THEN
            PERFORM FROM %1$s AS l WHERE l.run_id = %2$s AND l.user_id = for_user;
        END IF;
    $own$;
    lookup CONSTANT text := $lookup$
CREATE OR REPLACE FUNCTION recs.listed(for_user :user_id_type, n integer, segment text)
RETURNS TABLE (item_id :item_id_type, score real, source text)
LANGUAGE plpgsql STABLE SECURITY DEFINER ROWS 20
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_generic_plan
AS $$
DECLARE
    live_run bigint;
BEGIN
    SELECT p.run_id INTO live_run FROM recs.live AS p;
    IF live_run = %1$s THEN
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
            unnest(chosen.item_ids) AS item_id,
            unnest(chosen.scores) AS score,
            CASE chosen.segment WHEN 'all' THEN 'popular' ELSE 'segment' END AS source
        FROM (
            SELECT f.segment, f.item_ids, f.scores
            FROM recs.fallback_list AS f
            WHERE f.run_id = live_run AND f.segment IN ('all', listed.segment)
            ORDER BY f.segment = 'all'
            LIMIT 1
        ) AS chosen
    ) AS e
    WHERE (SELECT true FROM recs.removed_item AS x WHERE x.item_id = e.item_id) IS NULL
        AND e.item_id <> ALL (
            ARRAY(SELECT b.item_id FROM recs.blocked AS b WHERE b.user_id = for_user)
        )
    LIMIT n;
END
$$
    $lookup$;
    named CONSTANT text := to_regclass('recs.user_list_run_' || run);
    names CONSTANT text[] := (SELECT r.models FROM recs.run AS r WHERE r.run_id = run);
    -- The limit keeps subplans from being copied into every partition.
    found CONSTANT text := '(SELECT p.* FROM recs.user_list AS p
            WHERE p.run_id = live_run AND p.user_id = for_user LIMIT 1)';
BEGIN
    EXECUTE format(
        lookup,
        run,
        format(own, coalesce(named, found), run, format('%L::text[]', names)),
        format(
            own, found, 'live_run', 'SELECT r.models FROM recs.run AS r WHERE r.run_id = live_run'
        )
    );
END
$write$;
COMMENT ON FUNCTION recs.write_lookup IS 'Writes the table of a run into the lookup; where another run is live, it finds that one''s.';
ALTER FUNCTION recs.write_lookup OWNER TO recsys_writer;
REVOKE ALL ON FUNCTION recs.write_lookup FROM public;

-- No run has the number 0.
SELECT recs.write_lookup(coalesce((SELECT p.run_id FROM recs.live AS p), 0));
COMMENT ON FUNCTION recs.listed IS 'What recs.top_n gives, without the rank.';
ALTER FUNCTION recs.listed OWNER TO recsys_writer;
REVOKE ALL ON FUNCTION recs.listed FROM public;
GRANT EXECUTE ON FUNCTION recs.listed TO recsys_analyst, recsys_app;

-- Not SECURITY DEFINER and without SET, so that Postgres puts it into the caller's statement.
CREATE OR REPLACE FUNCTION recs.top_n(
    for_user :user_id_type, n integer DEFAULT 20, segment text DEFAULT NULL
)
RETURNS TABLE (rank integer, item_id :item_id_type, score real, source text)
LANGUAGE sql STABLE ROWS 20
BEGIN ATOMIC
    SELECT l.rank::integer, l.item_id, l.score, l.source
    FROM recs.listed(for_user, greatest(n, 0), segment)
        WITH ORDINALITY AS l (item_id, score, source, rank);
END;
