"""The progress line of long functions, on terminals and in notebooks only."""
