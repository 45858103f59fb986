-- Loads blocks from CSV.
COPY market.blocks (user_id, item_id, created_at)
FROM STDIN WITH (FORMAT csv)
