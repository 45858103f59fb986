-- Locks on folders of a lake in an object store.

-- name: folder
-- Lets a folder of the lake be locked, from the first time on. Parameter: folder.
INSERT INTO recs.lake_folder (folder) VALUES (%(folder)s) ON CONFLICT DO NOTHING

-- name: lock
-- Lets only one job write to a folder of the lake, however long it takes; held to the end of the
-- transaction, which may idle for as long. Nobody but the writer can lock the row. Parameter: folder.
SET LOCAL lock_timeout = 0;
SET LOCAL statement_timeout = 0;
SET LOCAL idle_in_transaction_session_timeout = 0;
SELECT FROM recs.lake_folder AS f WHERE f.folder = %(folder)s FOR UPDATE

-- name: lock_shared
-- Lets other jobs that hold a folder of the lake in this way hold it too, and nobody else; held to the
-- end of the transaction, which may idle for as long. Parameter: folder.
SET LOCAL lock_timeout = 0;
SET LOCAL statement_timeout = 0;
SET LOCAL idle_in_transaction_session_timeout = 0;
SELECT FROM recs.lake_folder AS f WHERE f.folder = %(folder)s FOR SHARE

-- name: locked
-- Fails where the session that holds the locks has ended.
SELECT 1
