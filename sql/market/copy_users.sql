-- Loads users from CSV.
COPY market.users (user_id, name, active, created_at)
FROM STDIN WITH (FORMAT csv)
