-- Notes a migration as run. Parameters: number, name.
INSERT INTO recs.migration (number, name) VALUES (%(number)s, %(name)s)
