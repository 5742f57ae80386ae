"""Reports, plots and comparison tables made from results."""
