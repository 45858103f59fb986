"""Readers of public data sets: each turns files into a `Market`."""
