"""The steps of a night, one module each, in the order of `STEPS`."""
