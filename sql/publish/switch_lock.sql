-- Keeps a switch of the live run and the removal of old runs apart; held to the transaction's end.
SELECT pg_advisory_xact_lock(hashtext('recsys switch'))
