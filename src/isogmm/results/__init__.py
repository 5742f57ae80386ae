"""From labelled arrays to an ArviZ object, and back."""
