-- The lookup again, with the same answers: 0004's spent most of its time on starting a plan of some
-- fifty nodes. Each statement here is small, and a session plans it once.

CREATE OR REPLACE FUNCTION recs.top_n(
    for_user :user_id_type, n integer DEFAULT 20, segment text DEFAULT NULL
)
RETURNS TABLE (rank integer, item_id :item_id_type, score real, source text)
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_generic_plan
AS $$
DECLARE
    live_run bigint;
    names text[];
    forgotten boolean;
    blocked :item_id_type[];
BEGIN
    -- Read first: with the run as a parameter, only the live run's partition is opened.
    SELECT p.run_id INTO live_run FROM recs.live AS p;
    SELECT
        r.models,
        EXISTS (SELECT FROM recs.forgotten_user AS f WHERE f.user_id = for_user),
        ARRAY(SELECT b.item_id FROM recs.blocked AS b WHERE b.user_id = for_user)
    INTO names, forgotten, blocked
    FROM recs.run AS r
    WHERE r.run_id = live_run;

    -- unnest gives places in their order, and only as many as the limit asks for; each is looked for
    -- among the removed items by key, where NOT EXISTS would read all of them.
    IF NOT forgotten THEN
        RETURN QUERY
        SELECT (row_number() OVER ())::integer, e.item_id, e.score, names[e.source + 1]
        FROM (
            SELECT
                unnest(own.item_ids) AS item_id,
                unnest(own.scores) AS score,
                unnest(own.sources) AS source
            FROM (
                SELECT l.item_ids, l.scores, l.sources
                FROM recs.user_list AS l
                WHERE l.run_id = live_run AND l.user_id = for_user
                LIMIT 1
            ) AS own
        ) AS e
        WHERE (SELECT true FROM recs.removed_item AS x WHERE x.item_id = e.item_id) IS NULL
            AND e.item_id <> ALL (blocked)
        LIMIT greatest(n, 0);
        IF NOT FOUND THEN
            PERFORM FROM recs.user_list AS l WHERE l.run_id = live_run AND l.user_id = for_user;
        END IF;
        IF FOUND THEN
            RETURN;
        END IF;
    END IF;

    RETURN QUERY
    SELECT (row_number() OVER ())::integer, e.item_id, e.score, e.source
    FROM (
        SELECT
            unnest(chosen.item_ids) AS item_id,
            unnest(chosen.scores) AS score,
            CASE chosen.segment WHEN 'all' THEN 'popular' ELSE 'segment' END AS source
        FROM (
            SELECT f.segment, f.item_ids, f.scores
            FROM recs.fallback_list AS f
            WHERE f.run_id = live_run AND f.segment IN ('all', top_n.segment)
            ORDER BY f.segment = 'all'
            LIMIT 1
        ) AS chosen
    ) AS e
    WHERE (SELECT true FROM recs.removed_item AS x WHERE x.item_id = e.item_id) IS NULL
        AND e.item_id <> ALL (blocked)
    LIMIT greatest(n, 0);
END
$$;
