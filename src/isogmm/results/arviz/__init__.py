"""Calls of ArviZ, the same for both generations."""
