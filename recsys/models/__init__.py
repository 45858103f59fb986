"""Models of taste: each fits on the user-item matrix and scores by inner product."""
