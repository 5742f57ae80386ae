"""What people look at: reports, plots and comparisons of results."""
