-- The roles of the published side; whoever connects is made a member of one. They cannot log in.
-- recsys_writer owns and publishes; recsys_analyst reads; recsys_moderator blocks, removes and
-- forgets; recsys_app may only call the lookup. The login that migrates becomes a writer: from
-- PostgreSQL 16 on, one with CREATEROLE may grant a role that it made, but not act as it by that.
DO $$
DECLARE
    wanted text;
    how text := 'SET';
BEGIN
    FOREACH wanted IN ARRAY ARRAY['recsys_writer', 'recsys_analyst', 'recsys_moderator', 'recsys_app'] LOOP
        BEGIN
            IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = wanted) THEN
                EXECUTE format('CREATE ROLE %I NOLOGIN', wanted);
            END IF;
        EXCEPTION WHEN duplicate_object OR unique_violation THEN
            NULL; -- another database of this server was migrated at the same moment
        END;
    END LOOP;
    IF current_setting('server_version_num')::integer < 160000 THEN
        how := 'MEMBER';
    END IF;
    IF NOT pg_has_role(current_user, 'recsys_writer', how) THEN
        GRANT recsys_writer TO CURRENT_USER;
    END IF;
END
$$
