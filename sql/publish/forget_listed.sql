-- Deletes the lists of users who were forgotten after the run had read their data. The lock waits for
-- those who are forgetting one, and holds off others until these lists can be seen and deleted.
-- Identifier: partition.
LOCK TABLE recs.forgotten_user IN SHARE MODE;
DELETE FROM recs.{partition} AS l USING recs.forgotten_user AS f WHERE f.user_id = l.user_id
