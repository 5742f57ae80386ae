"""Draws of a fit: independent draws of the mixture with importance weights, and HMC chains."""
