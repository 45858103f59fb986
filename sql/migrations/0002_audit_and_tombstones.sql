-- Runs that the audit holds back, a record of every switch of the live run, and what must vanish
-- from lists at once: blocks, removed items, forgotten users.

ALTER TABLE recs.run DROP CONSTRAINT run_status_check;
ALTER TABLE recs.run
    ADD CONSTRAINT run_status_check CHECK (status IN ('staged', 'held', 'published', 'retired'));
ALTER TABLE recs.run ADD COLUMN audit jsonb;
COMMENT ON COLUMN recs.run.audit IS 'Figures against the run that was live, and the gates that were not passed.';

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
COMMENT ON TABLE recs.forgotten_user IS 'Users whose own lists must not be used any more.';

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

CREATE FUNCTION recs.forget_user(gone :user_id_type) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    INSERT INTO recs.forgotten_user (user_id) VALUES (gone) ON CONFLICT DO NOTHING;
    DELETE FROM recs.blocked WHERE user_id = gone;
    DELETE FROM recs.user_list WHERE user_id = gone;
END;
COMMENT ON FUNCTION recs.forget_user IS 'Deletes the user''s lists of every run; later ones are not used.';

CREATE OR REPLACE FUNCTION recs.top_n(for_user :user_id_type, n integer DEFAULT 20)
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
        SELECT own.item_ids, own.scores, own.sources FROM own
        UNION ALL
        SELECT f.item_ids, f.scores, '{}'::smallint[]
        FROM recs.fallback_list AS f
        WHERE f.run_id = (SELECT live.run_id FROM live) AND f.segment = 'all'
            AND NOT EXISTS (SELECT FROM own)
    )
    SELECT
        (row_number() OVER (ORDER BY e.place))::integer,
        e.item_id,
        e.score,
        coalesce((SELECT live.models[e.source + 1] FROM live), 'popular')
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

ALTER TABLE recs.switch OWNER TO recsys_writer;
ALTER TABLE recs.blocked OWNER TO recsys_writer;
ALTER TABLE recs.removed_item OWNER TO recsys_writer;
ALTER TABLE recs.forgotten_user OWNER TO recsys_writer;
ALTER FUNCTION recs.block OWNER TO recsys_writer;
ALTER FUNCTION recs.remove_item OWNER TO recsys_writer;
ALTER FUNCTION recs.forget_user OWNER TO recsys_writer;

REVOKE ALL ON FUNCTION recs.block, recs.remove_item, recs.forget_user FROM public;
GRANT USAGE ON SCHEMA recs TO recsys_moderator;
GRANT EXECUTE ON FUNCTION recs.block, recs.remove_item, recs.forget_user TO recsys_moderator;
GRANT SELECT ON recs.switch, recs.removed_item TO recsys_analyst;
