"""Candidate generators: each fits on the user-item matrix and scores items for users."""
