"""Markets of people: whom each may be shown to."""
