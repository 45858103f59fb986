"""From raw rows to judged events and the histories of users."""
