"""From the order of candidates to the lists that are published."""
