-- The sandbox's marketplace in Postgres.

-- name: copy_blocks
-- Loads blocks from CSV.
COPY market.blocks (user_id, item_id, created_at)
FROM STDIN WITH (FORMAT csv)

-- name: copy_interactions
-- Loads interactions from CSV.
COPY market.interactions (user_id, item_id, kind, value, created_at, received_at)
FROM STDIN WITH (FORMAT csv)

-- name: copy_items
-- Loads items from CSV.
COPY market.items (item_id, title, available, created_at)
FROM STDIN WITH (FORMAT csv)

-- name: copy_users
-- Loads users from CSV.
COPY market.users (user_id, name, active, created_at)
FROM STDIN WITH (FORMAT csv)

-- name: create
-- The demo's source schema, made anew: whatever an earlier seed or import put there is dropped.
-- `:user_id_type` and `:item_id_type` are the configured id types: bigint, uuid or text.
-- Interactions allow nulls and unknown ids, as sources have them: the pipeline quarantines such rows.
DROP SCHEMA IF EXISTS market CASCADE;

CREATE SCHEMA market;

COMMENT ON SCHEMA market IS 'Demo marketplace: recsys seed and recsys import replace it';

CREATE TABLE market.users (
    user_id :user_id_type PRIMARY KEY,
    name text,
    active boolean NOT NULL,
    created_at timestamptz
);

CREATE TABLE market.items (
    item_id :item_id_type PRIMARY KEY,
    title text,
    available boolean NOT NULL,
    created_at timestamptz
);

CREATE TABLE market.interactions (
    interaction_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    user_id :user_id_type,
    item_id :item_id_type,
    kind text,
    value double precision,
    created_at timestamptz,
    received_at timestamptz
);

CREATE INDEX interactions_received_at ON market.interactions (received_at);

CREATE TABLE market.blocks (
    user_id :user_id_type,
    item_id :item_id_type,
    created_at timestamptz
);

-- name: foreign_tables
-- Tables of a schema `market` that create.sql did not make, and so must not drop.
SELECT count(*) AS tables
FROM pg_catalog.pg_class AS c
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE n.nspname = 'market'
    AND c.relkind <> 'i'
    AND coalesce(obj_description(n.oid, 'pg_namespace'), '') NOT LIKE 'Demo marketplace:%'

-- name: mark_published
-- Notes that what is published comes from demo data.
COMMENT ON TABLE recs.migration IS 'Demo data: recsys seed and recsys import replace what is published';

-- name: published
-- How many runs are published, which one is live, and whether they came from demo data.
SELECT
    (SELECT count(*) FROM recs.run) AS runs,
    (SELECT l.run_id FROM recs.live AS l) AS live,
    coalesce(obj_description('recs.migration'::regclass, 'pg_class'), '') LIKE 'Demo data:%' AS demo
