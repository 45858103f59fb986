-- Makes the login of the pipeline on an embedded server, or takes from one what only a superuser may.
-- Changes nothing where it is as it should be: a standby only reads.
SET search_path = pg_catalog;
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'recsys') THEN
        CREATE ROLE recsys LOGIN CREATEROLE;
    ELSIF EXISTS (
        SELECT FROM pg_roles WHERE rolname = 'recsys' AND (rolsuper OR NOT rolcanlogin OR NOT rolcreaterole)
    ) THEN
        ALTER ROLE recsys LOGIN CREATEROLE NOSUPERUSER;
    END IF;
END
$$
