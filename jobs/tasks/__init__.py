"""Work of Spark's executors on one file or one part."""
