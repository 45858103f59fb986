-- Lets other jobs that hold a folder of the lake in this way hold it too, and nobody else; held until
-- the connection ends.
SET lock_timeout = 0;
SET statement_timeout = 0;
SELECT pg_advisory_lock_shared(hashtextextended('recsys lake ' || %(folder)s, 0))
