"""Affine maps that make the target's coordinates easy, and the rules that estimate them."""
