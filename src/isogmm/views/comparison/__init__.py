"""Results of different methods side by side, in units of a reference and of its own noise."""
