"""Partitions of Parquet and JSON files, their manifests and their locks."""
