"""The variational families as values: density, sampling, moments, and the map of coordinates."""
