-- Lets only one job write to a folder of the lake, however long it takes; held until the connection
-- ends.
SET lock_timeout = 0;
SET statement_timeout = 0;
SELECT pg_advisory_lock(hashtextextended('recsys lake ' || %(folder)s, 0))
