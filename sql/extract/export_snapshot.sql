-- The name of this transaction's snapshot, for other connections to read the same state.
SELECT pg_export_snapshot()
