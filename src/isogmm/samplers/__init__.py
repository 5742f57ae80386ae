"""Other methods on the same model: NUTS and SMC that start from a fit, and methods on its density."""
