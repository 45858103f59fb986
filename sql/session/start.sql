-- What every session starts with. Limits: a statement that hangs ends, and nobody waits for a lock for
-- ever. Schemas that names without one are looked for in are kept aside for source tables; for all
-- else the path holds the system's own, so that nothing planted in a schema of others is called.
SELECT
    pg_catalog.set_config('statement_timeout', '1h', false),
    pg_catalog.set_config('lock_timeout', '5min', false),
    pg_catalog.set_config('idle_in_transaction_session_timeout', '2h', false),
    pg_catalog.set_config('recsys.source_schemas', pg_catalog.current_schemas(false)::pg_catalog.text, false),
    pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', false)
