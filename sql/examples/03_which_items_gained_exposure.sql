-- Which items gained the most exposure over the run before?
SELECT n.item_id, n.title, coalesce(b.share, 0) AS before, n.share AS after,
    n.share - coalesce(b.share, 0) AS gained
FROM recs.run_summary AS r
JOIN recs.item_exposure AS n ON n.run_id = r.run_id
LEFT JOIN recs.item_exposure AS b ON b.run_id = r.compared_with AND b.item_id = n.item_id
WHERE r.live
ORDER BY gained DESC NULLS LAST, n.item_id
LIMIT 10;
