"""Other methods on the same model: NUTS and SMC started from a fit, and methods on its density."""
