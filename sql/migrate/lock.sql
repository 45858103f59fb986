-- Lets only one migration run at a time, and no publication or switch meanwhile; held to the end of
-- the transaction. Nobody but the writer can hold either lock.
SELECT FROM recs.id_types AS t FOR UPDATE;
LOCK TABLE recs.live IN SHARE ROW EXCLUSIVE MODE
