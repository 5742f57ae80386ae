"""The PyTensor graphs of a model."""
