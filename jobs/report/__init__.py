"""The report of a run: one HTML file that says what was read, made, judged and changed."""
