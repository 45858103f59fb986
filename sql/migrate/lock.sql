-- Lets only one migration run at a time; held to the end of the transaction.
SELECT pg_advisory_xact_lock(hashtext('recsys migrate'))
