"""NumPyro's own inference methods, for comparison."""
