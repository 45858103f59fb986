-- Removes the published side with all its history.
DROP SCHEMA IF EXISTS recs CASCADE
