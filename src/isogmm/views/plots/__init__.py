"""Pictures of a fit and of several methods side by side, with Matplotlib alone.

Every function takes results of either ArviZ generation and returns Matplotlib axes, so that
what is missing can be added by hand.
"""
