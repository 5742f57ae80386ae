"""The data of a model: replaced, subsampled and simulated."""
