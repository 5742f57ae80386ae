"""The compiled programs of a model, by JAX or by PyTensor."""
