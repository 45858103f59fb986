"""From the models' scores to lists."""
