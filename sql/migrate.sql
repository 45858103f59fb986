-- Installation of the published side and its migrations.

-- name: installed
-- Whether the published side is there at all.
SELECT EXISTS (
    SELECT FROM pg_catalog.pg_class AS c
    JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
    WHERE n.nspname = 'recs' AND c.relname = 'migration'
) AS installed

-- name: schema
-- Whose the schema of the published side is, whether this login may act as that role, and whether the
-- writer can work in it and let others in; no row where there is no schema.
SELECT
    pg_get_userbyid(n.nspowner)::text AS owner,
    pg_has_role(session_user, n.nspowner, 'MEMBER') AS ours,
    has_schema_privilege('recsys_writer', n.oid, 'CREATE')
        AND has_schema_privilege('recsys_writer', n.oid, 'USAGE WITH GRANT OPTION') AS usable
FROM pg_catalog.pg_namespace AS n
WHERE n.nspname = 'recs'

-- name: create_schema
-- Makes the schema of the published side, the writer's.
CREATE SCHEMA recs;
ALTER SCHEMA recs OWNER TO recsys_writer

-- name: open_schema
-- Lets the writer work in a schema that was made for it, and let others in. Identifier: owner.
SET LOCAL ROLE {owner};
GRANT USAGE, CREATE ON SCHEMA recs TO recsys_writer WITH GRANT OPTION;
RESET ROLE

-- name: become_writer
-- To the end of the transaction, act with the rights of the writer, to whom everything then belongs.
SET LOCAL ROLE recsys_writer

-- name: lock
-- Lets only one migration run at a time, and no publication or switch meanwhile; held to the end of
-- the transaction. Nobody but the writer can hold either lock.
SELECT FROM recs.id_types AS t FOR UPDATE;
LOCK TABLE recs.live IN SHARE ROW EXCLUSIVE MODE

-- name: applied
-- Numbers of the migrations that have run, and the id types they ran with.
SELECT array_agg(m.number ORDER BY m.number), min(t.user_id), min(t.item_id)
FROM recs.migration AS m CROSS JOIN recs.id_types AS t

-- name: record
-- Notes a migration as run. Parameters: number, name.
INSERT INTO recs.migration (number, name) VALUES (%(number)s, %(name)s)

-- name: drop
-- Removes the published side with all its history. Identifier: owner.
SET LOCAL ROLE {owner};
DROP SCHEMA recs CASCADE;
RESET ROLE
