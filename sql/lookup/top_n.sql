-- A user's list as an app gets it. Parameters: user_id, n, segment.
SELECT t.rank, t.item_id::text, t.score, t.source
FROM recs.top_n(%(user_id)s, %(n)s, %(segment)s) AS t
ORDER BY t.rank
