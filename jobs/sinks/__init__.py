"""Places that a run's lists are published to."""
