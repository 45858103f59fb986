-- Ids of the users who were forgotten, as text.
SELECT f.user_id::text AS user_id FROM recs.forgotten_user AS f
