"""Spark sessions, and the code that reaches executors."""
