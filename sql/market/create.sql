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
