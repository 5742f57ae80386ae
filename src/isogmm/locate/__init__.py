"""Search for the posterior mass: optimization paths, batch and match, modes, affine maps."""
