-- Fails where the session that holds the locks has ended.
SELECT 1
