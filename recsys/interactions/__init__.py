"""From events to the user-item matrix."""
