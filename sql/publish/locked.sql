-- Fails where the session that lets only one publication run has ended.
SELECT 1
