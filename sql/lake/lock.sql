-- Lets only one job write to a folder of the lake, however long it takes; held to the end of the
-- transaction, which may idle for as long. Nobody but the writer can lock the row. Parameter: folder.
SET LOCAL lock_timeout = 0;
SET LOCAL statement_timeout = 0;
SET LOCAL idle_in_transaction_session_timeout = 0;
SELECT FROM recs.lake_folder AS f WHERE f.folder = %(folder)s FOR UPDATE
