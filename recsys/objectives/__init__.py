"""Objectives: what came of items, what may come of them, and what weights buy."""
