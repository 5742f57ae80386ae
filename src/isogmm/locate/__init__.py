"""Where the posterior is: optimization paths, batch and match, modes."""
