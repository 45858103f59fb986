"""Applications that are more than one step: a night, a backfill, an evaluation, a tuning."""
