"""The verdict of a fit, from the quantities that its stages measure."""
