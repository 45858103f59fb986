-- Limits of every session: a statement that hangs ends, and nobody waits for a lock for ever.
SET statement_timeout = '1h';
SET lock_timeout = '5min';
SET idle_in_transaction_session_timeout = '2h'
