"""Connections to Postgres, its errors, and the statements of `sql/`."""
