"""The algorithms of the recommendation pipeline: pure functions over arrays and Arrow tables."""
