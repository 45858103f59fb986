"""Entry points, one a file, and the edge they stand on: Spark, drivers, environment."""
