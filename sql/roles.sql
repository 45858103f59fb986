-- The roles of the published side; whoever connects is made a member of one. They cannot log in.
-- recsys_writer owns and publishes; recsys_analyst reads; recsys_moderator blocks, removes and
-- forgets; recsys_app may only call the lookup.
DO $$
DECLARE
    wanted text;
BEGIN
    FOREACH wanted IN ARRAY ARRAY['recsys_writer', 'recsys_analyst', 'recsys_moderator', 'recsys_app'] LOOP
        IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = wanted) THEN
            EXECUTE format('CREATE ROLE %I NOLOGIN', wanted);
        END IF;
    END LOOP;
EXCEPTION WHEN duplicate_object OR unique_violation THEN
    NULL; -- another database of this server was migrated at the same moment
END
$$
