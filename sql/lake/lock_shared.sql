-- Lets other jobs that hold a folder of the lake in this way hold it too, and nobody else; held to the
-- end of the transaction, which may idle for as long. Parameter: folder.
SET LOCAL lock_timeout = 0;
SET LOCAL statement_timeout = 0;
SET LOCAL idle_in_transaction_session_timeout = 0;
SELECT FROM recs.lake_folder AS f WHERE f.folder = %(folder)s FOR SHARE
