"""Narrow modes, from values of the log density on spheres around the known modes."""
