"""Charts as SVG: plain functions from figures to text, with a table of the same figures."""
