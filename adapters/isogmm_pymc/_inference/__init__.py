"""PyMC's own inference methods, for comparison."""
