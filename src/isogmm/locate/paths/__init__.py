"""Optimization paths from dispersed starting points, and the local maxima where they end."""
