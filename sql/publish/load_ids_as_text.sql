-- Ids of type uuid arrive as text. Identifier: partition; composed: user_id, item_id, the types to
-- load into, then to keep.
ALTER TABLE recs.{partition}
    ALTER COLUMN user_id TYPE {user_id} USING user_id::{user_id},
    ALTER COLUMN item_ids TYPE {item_id}[] USING item_ids::{item_id}[]
