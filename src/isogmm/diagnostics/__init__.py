"""Did it work?  Judging a fit from fresh draws, and the verdict in words."""
