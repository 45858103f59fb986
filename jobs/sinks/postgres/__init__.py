"""The published side in Postgres: publication, live pointer, migrations, lookups."""
