"""What a model consists of: its arguments, and its statements with their distributions."""
