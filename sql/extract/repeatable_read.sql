-- Lets this transaction see one state of the database from its first read to its last.
SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY
