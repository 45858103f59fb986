-- Lets only one publication run at a time, and no migration meanwhile; held to the end of the
-- transaction, which may idle for as long as lists are loaded. Nobody but the writer can lock the row.
-- A lock of a table would keep vacuuming waiting.
SET LOCAL idle_in_transaction_session_timeout = 0;
SELECT FROM recs.id_types AS t FOR UPDATE
