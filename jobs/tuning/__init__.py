"""The search for better parameters of generators."""
