-- Deletes lists and quarantined rows of users who were forgotten after the run had read their data. Of
-- those who are being forgotten, the transaction that forgets them deletes what it then sees.
-- Identifier: partition; literal: run_id.
DELETE FROM recs.{partition} AS l USING recs.forgotten_user AS f WHERE f.user_id = l.user_id;
DELETE FROM recs.quarantined_row AS q USING recs.forgotten_user AS f
WHERE q.run_id = {run_id} AND q.user_id = f.user_id::text
