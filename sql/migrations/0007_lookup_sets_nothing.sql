-- A lookup that sets nothing at its calls; its present form is in sql/repeatable/lookup.sql.
SELECT 'nothing of it is left to do';
