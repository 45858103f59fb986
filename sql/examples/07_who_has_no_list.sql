-- Who gets nothing, and why?
SELECT w.user_id, w.reason
FROM recs.user_without_list AS w
WHERE w.run_id = (SELECT l.run_id FROM recs.live AS l)
ORDER BY w.reason, w.user_id
LIMIT 100;
