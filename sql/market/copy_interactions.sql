-- Loads interactions from CSV.
COPY market.interactions (user_id, item_id, kind, value, created_at, received_at)
FROM STDIN WITH (FORMAT csv)
