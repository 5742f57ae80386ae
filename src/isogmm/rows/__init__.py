"""Fits whose data are read in blocks of rows, in a few passes."""
