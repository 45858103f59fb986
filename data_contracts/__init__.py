"""Contracts of the lake's tables, one module a table, as Great Expectations suites."""
