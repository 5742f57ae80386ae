"""The groups of a result, built from draws and from fits."""
