"""What must hold of the tables of the lake, one module a table, as Great Expectations suites."""
