-- Lets only one publication run at a time; held until the connection ends.
SELECT pg_advisory_lock(hashtext('recsys publish'))
