"""The edge to Postgres, MongoDB and the lake."""
