-- What is user 42 shown, and by which model?
SELECT rank, item_id, title, score, source, propensity
FROM recs.list_item
WHERE live AND user_id = 42
ORDER BY rank
LIMIT 20;
