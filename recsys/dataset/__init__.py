"""The user-item matrix, and what is known of users and items."""
