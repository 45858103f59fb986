"""Sections of the configuration."""
