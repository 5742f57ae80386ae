"""Plots of a fit and of several methods side by side, with Matplotlib.

Every function takes results of either ArviZ generation and returns Matplotlib axes, to which more
can be added.
"""
