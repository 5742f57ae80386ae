"""The search without gradients, from values of the log density alone."""
