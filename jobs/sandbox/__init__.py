"""The embedded servers, and the data that demos and tests put into them."""
