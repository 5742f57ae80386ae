"""Log densities that are given as functions."""
