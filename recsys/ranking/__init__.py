"""From the generators' scores to one order of candidates."""
