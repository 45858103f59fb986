"""Metrics, splits, significance and the audit of lists."""
