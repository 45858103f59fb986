-- The segments that the live run has a list for, in alphabetical order.
SELECT f.segment
FROM recs.fallback_list AS f
INNER JOIN recs.live AS l ON f.run_id = l.run_id
WHERE f.segment <> 'all'
ORDER BY f.segment COLLATE "C"
