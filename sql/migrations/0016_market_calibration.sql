-- Calibration errors in recs.market_health, and recs.market_replies. Both are in sql/repeatable,
-- which is replaced when a migration has run; tables stay as they are.

SELECT;
