-- Lists of segments in the lookup, and with each item of a list the chance with which it got there.

ALTER TABLE recs.user_list ADD COLUMN propensities real[];
-- Nothing of what is published so far was drawn.
UPDATE recs.user_list SET propensities = array_fill(1::real, ARRAY[cardinality(item_ids)]);
ALTER TABLE recs.user_list ALTER COLUMN propensities SET NOT NULL;
COMMENT ON COLUMN recs.user_list.propensities IS 'Chance with which the policy placed each item there, given the list''s earlier explore entries; 1 where it does not draw.';

-- Checksums cover the new column, and those of kept runs stay comparable with later ones.
UPDATE recs.run
SET list_hash = hashed.list_hash
FROM (
    SELECT l.run_id, to_hex(bit_xor(hash_record_extended(
        (l.user_id, l.item_ids, l.scores, l.sources, l.propensities), 0
    ))) AS list_hash
    FROM recs.user_list AS l
    GROUP BY l.run_id
) AS hashed
WHERE hashed.run_id = run.run_id;

CREATE OR REPLACE VIEW recs.list_item AS
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
COMMENT ON COLUMN recs.list_item.propensity IS 'Chance with which the policy placed the item there, given the list''s earlier explore entries; 1 where it does not draw.';
COMMENT ON TABLE recs.fallback_list IS 'Lists for users without their own, one row a segment and run: all for everybody, path=value for the users whose profile has the value.';

DROP FUNCTION recs.top_n(:user_id_type, integer);
CREATE FUNCTION recs.top_n(
    for_user :user_id_type, n integer DEFAULT 20, segment text DEFAULT NULL
)
RETURNS TABLE (rank integer, item_id :item_id_type, score real, source text)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    WITH live AS (
        SELECT r.run_id, r.models FROM recs.live AS p JOIN recs.run AS r USING (run_id)
    ),
    own AS (
        SELECT l.item_ids, l.scores, l.sources
        FROM recs.user_list AS l
        WHERE l.run_id = (SELECT live.run_id FROM live) AND l.user_id = for_user
            AND NOT EXISTS (SELECT FROM recs.forgotten_user AS f WHERE f.user_id = for_user)
    ),
    chosen AS (
        SELECT own.item_ids, own.scores, own.sources, NULL AS source FROM own
        UNION ALL
        SELECT
            f.item_ids, f.scores, '{}'::smallint[],
            CASE f.segment WHEN 'all' THEN 'popular' ELSE 'segment' END
        FROM recs.fallback_list AS f
        WHERE f.run_id = (SELECT live.run_id FROM live)
            AND f.segment = coalesce(
                (
                    SELECT s.segment FROM recs.fallback_list AS s
                    WHERE s.run_id = (SELECT live.run_id FROM live) AND s.segment = top_n.segment
                ),
                'all'
            )
            AND NOT EXISTS (SELECT FROM own)
    )
    SELECT
        (row_number() OVER (ORDER BY e.place))::integer,
        e.item_id,
        e.score,
        coalesce(chosen.source, (SELECT live.models[e.source + 1] FROM live))
    FROM chosen
    CROSS JOIN LATERAL unnest(chosen.item_ids, chosen.scores, chosen.sources)
        WITH ORDINALITY AS e (item_id, score, source, place)
    WHERE NOT EXISTS (SELECT FROM recs.removed_item AS x WHERE x.item_id = e.item_id)
        AND NOT EXISTS (
            SELECT FROM recs.blocked AS b WHERE b.user_id = for_user AND b.item_id = e.item_id
        )
    ORDER BY e.place
    LIMIT greatest(n, 0);
END;
COMMENT ON FUNCTION recs.top_n IS 'The n best items for a user, best first; the only thing an app calls.';
ALTER FUNCTION recs.top_n OWNER TO recsys_writer;
REVOKE ALL ON FUNCTION recs.top_n FROM public;
GRANT EXECUTE ON FUNCTION recs.top_n TO recsys_analyst, recsys_app;
