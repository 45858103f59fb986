"""Readers of the source databases and of files that users bring."""
