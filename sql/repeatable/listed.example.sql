-- What recs.write_lookup(1) writes for a run 1 whose models are als, graph and explore, with bigint ids;
-- a test compares it with the function as it stands, comments and blanks aside.
CREATE OR REPLACE FUNCTION recs.listed(for_user bigint, n integer, segment text)
RETURNS TABLE (item_id bigint, score real, source text)
LANGUAGE plpgsql STABLE SECURITY DEFINER ROWS 20
AS $listed$
DECLARE
    live_run bigint;
BEGIN
    SELECT p.run_id INTO live_run FROM recs.live AS p;
    -- Run 1 is what this text was written for, and nearly always what is live: its table is named.
    IF live_run OPERATOR(pg_catalog.=) 1 THEN
        RETURN QUERY
        SELECT e.item_id, e.score, ('{als,graph,explore}'::pg_catalog.text[])[e.source OPERATOR(pg_catalog.+) 1]
        FROM (
            SELECT
                pg_catalog.unnest(l.item_ids) AS item_id,
                pg_catalog.unnest(l.scores) AS score,
                pg_catalog.unnest(l.sources) AS source
            FROM recs.user_list_run_1 AS l
            WHERE l.run_id OPERATOR(pg_catalog.=) 1
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
            -- No row came: the list may be empty, or all of it removed or blocked. Then the answer is empty
            -- too; FOUND says whether there is a list at all.
            PERFORM FROM recs.user_list_run_1 AS l
            WHERE l.run_id OPERATOR(pg_catalog.=) 1
                AND l.user_id OPERATOR(pg_catalog.=) for_user;
        END IF;
    ELSE
        -- Another run is live, for as long as a snapshot from before the switch lasts.
        RETURN QUERY
        SELECT e.item_id, e.score, (SELECT r.models FROM recs.run AS r WHERE r.run_id OPERATOR(pg_catalog.=) live_run)[e.source OPERATOR(pg_catalog.+) 1]
        FROM (
            SELECT
                pg_catalog.unnest(l.item_ids) AS item_id,
                pg_catalog.unnest(l.scores) AS score,
                pg_catalog.unnest(l.sources) AS source
            FROM (SELECT p.* FROM recs.user_list AS p
            WHERE p.run_id OPERATOR(pg_catalog.=) live_run
                AND p.user_id OPERATOR(pg_catalog.=) for_user LIMIT 1) AS l
            WHERE l.run_id OPERATOR(pg_catalog.=) live_run
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
            PERFORM FROM (SELECT p.* FROM recs.user_list AS p
            WHERE p.run_id OPERATOR(pg_catalog.=) live_run
                AND p.user_id OPERATOR(pg_catalog.=) for_user LIMIT 1) AS l
            WHERE l.run_id OPERATOR(pg_catalog.=) live_run
                AND l.user_id OPERATOR(pg_catalog.=) for_user;
        END IF;
    END IF;
    -- The user has a list of their own.
    IF FOUND THEN
        RETURN;
    END IF;
    -- Nobody's own: the segment's list if there is one, else everybody's.
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
$listed$;
