-- Blocks and erasures that count both ways where items are people, and recs.market_health. Both are in
-- sql/repeatable, which is replaced when a migration has run; tables stay as they are.

SELECT;
