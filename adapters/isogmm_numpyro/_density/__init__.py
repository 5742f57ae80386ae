"""The log density of a model, and what is drawn given a position, as pure functions."""
