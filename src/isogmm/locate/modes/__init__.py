"""The search for further modes, and one Gaussian for each of them."""
