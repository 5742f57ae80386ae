"""Reading a model from one abstract trace, and the errors that this reveals."""
