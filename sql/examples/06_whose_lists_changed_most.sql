-- Whose lists changed most in the live run?
SELECT c.user_id, c.overlap, c.churn
FROM recs.user_change AS c
WHERE c.run_id = (SELECT l.run_id FROM recs.live AS l)
ORDER BY c.overlap, c.churn DESC, c.user_id
LIMIT 20;
