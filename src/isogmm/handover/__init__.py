"""From the fit to other samplers, and other samplers on our targets."""
