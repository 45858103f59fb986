-- To the end of the transaction, act with the rights of the writer, to whom everything then belongs.
SET LOCAL ROLE recsys_writer
