-- recs.market_outcome, and the segments of recs.market_health. Both are in sql/repeatable, which is
-- replaced when a migration has run; tables stay as they are.

SELECT;
