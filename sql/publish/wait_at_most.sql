-- How long statements from here on wait for a lock. Parameters: limit, local (to the transaction's end).
SELECT set_config('lock_timeout', %(limit)s, %(local)s)
