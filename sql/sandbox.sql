-- The login of the pipeline on an embedded server.

-- name: login
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

-- name: hand_over
-- Gives the login of the pipeline what a superuser made in its database, as embedded servers of earlier
-- versions had no other login. What an extension needs stays.
SET search_path = pg_catalog;
DO $$
DECLARE
    command text;
BEGIN
    FOR command IN
        WITH made (kind, class, oid, name) AS (
            SELECT 'SCHEMA', 'pg_namespace'::regclass, n.oid, quote_ident(n.nspname)
            FROM pg_namespace AS n
            WHERE n.nspname NOT LIKE 'pg\_%' AND n.nspname <> 'information_schema'
                AND n.nspowner = 'postgres'::regrole
            UNION ALL
            SELECT 'TABLE', 'pg_class'::regclass, c.oid, c.oid::regclass::text
            FROM pg_class AS c
            WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S') AND c.relowner = 'postgres'::regrole
                AND c.oid >= 16384
            UNION ALL
            SELECT 'ROUTINE', 'pg_proc'::regclass, p.oid, p.oid::regprocedure::text
            FROM pg_proc AS p
            WHERE p.prokind <> 'a' AND p.proowner = 'postgres'::regrole AND p.oid >= 16384
            UNION ALL
            SELECT 'TYPE', 'pg_type'::regclass, t.oid, t.oid::regtype::text
            FROM pg_type AS t
            WHERE t.typtype IN ('e', 'd', 'r') AND t.typowner = 'postgres'::regrole AND t.oid >= 16384
        )
        SELECT format('ALTER %s %s OWNER TO recsys', m.kind, m.name)
        FROM made AS m
        WHERE NOT EXISTS (
            -- An extension's, or the sequence of a column, which goes with its table.
            SELECT FROM pg_depend AS d
            WHERE d.classid = m.class AND d.objid = m.oid AND d.objsubid = 0
                AND (d.deptype = 'e' OR d.deptype IN ('a', 'i') AND d.refobjsubid > 0)
        )
        UNION ALL
        SELECT format('GRANT %I TO recsys WITH ADMIN OPTION', r.rolname)
        FROM pg_roles AS r
        WHERE r.rolname IN ('recsys_writer', 'recsys_analyst', 'recsys_moderator', 'recsys_app')
    LOOP
        EXECUTE command;
    END LOOP;
    EXECUTE format('ALTER DATABASE %I OWNER TO recsys', current_database());
END
$$
