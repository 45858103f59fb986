"""Proposal of a configuration from what source databases look like."""
