"""How good lists are."""
