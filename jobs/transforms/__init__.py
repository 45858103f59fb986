"""DataFrame in, DataFrame out: the Spark side of building interactions."""
