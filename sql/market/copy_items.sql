-- Loads items from CSV.
COPY market.items (item_id, title, available, created_at)
FROM STDIN WITH (FORMAT csv)
