"""The best Gaussian: candidates along the paths compete by their ELBOs."""
