-- From here on, act with the rights of the writer and no more.
SET ROLE recsys_writer
