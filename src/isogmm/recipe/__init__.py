"""The stages of a fit in order, and its options."""
