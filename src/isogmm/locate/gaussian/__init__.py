"""Gaussians of the search: factors, curvature, ELBO, and batch and match."""
