"""Log densities that worker processes can import: they stand for a remote service."""

import numpy as np


def rosenbrock(x):
    """Value and gradient of minus the Rosenbrock function, a quarter as steep."""
    left, right = x[:-1], x[1:]
    bend = right - left**2
    value = -0.25 * np.sum(25.0 * bend**2 + (1.0 - left) ** 2)
    gradient = np.zeros_like(x)
    gradient[:-1] += 25.0 * left * bend + 0.5 * (1.0 - left)
    gradient[1:] -= 12.5 * bend
    return value, gradient
