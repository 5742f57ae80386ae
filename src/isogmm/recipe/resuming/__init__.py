"""Fits that continue earlier fits, and their checkpoints."""
