-- Deletes the lists of users who were forgotten after the run had read their data. Of those who are
-- being forgotten, the transaction that forgets them deletes what it then sees. Identifier: partition.
DELETE FROM recs.{partition} AS l USING recs.forgotten_user AS f WHERE f.user_id = l.user_id
