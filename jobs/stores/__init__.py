"""Typed contents of the lake: models, checks, nights and statistics of runs."""
