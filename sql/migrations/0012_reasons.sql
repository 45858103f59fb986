-- Reasons of the places of lists, and recs.why, which reads them. Lists that are there have none.

ALTER TABLE recs.user_list ADD COLUMN because_ids :item_id_type[], ADD COLUMN reasons bytea;
-- What lookups read stays in the row, and reasons, which are seldom asked for, outside of it.
ALTER TABLE recs.user_list
    ALTER COLUMN item_ids SET STORAGE MAIN,
    ALTER COLUMN scores SET STORAGE MAIN,
    ALTER COLUMN sources SET STORAGE MAIN,
    ALTER COLUMN propensities SET STORAGE MAIN,
    ALTER COLUMN because_ids SET STORAGE EXTERNAL,
    ALTER COLUMN reasons SET STORAGE EXTERNAL;

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
ALTER FUNCTION recs.why OWNER TO recsys_writer;
REVOKE ALL ON FUNCTION recs.why FROM public;
GRANT EXECUTE ON FUNCTION recs.why TO recsys_analyst;
