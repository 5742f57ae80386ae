"""KL(q‖π) of mixtures of Gaussians in the plane by quadrature; densities by the definition."""

import numpy as np

from helpers.targets import GaussianMixtureTruth
from isogmm.optimize.gradients import GaussHermite


def two_in_the_plane():
    """A target of two overlapping Gaussians with different covariances."""
    covariances = np.array([[[1.0, 0.6], [0.6, 0.8]], [[0.5, -0.2], [-0.2, 1.5]]])
    return GaussianMixtureTruth(
        np.array([[0.6, 0.0], [-0.8, 0.5]]), covariances, np.array([0.3, 0.7])
    )


def quadrature(order=64):
    """Nodes (n, 2) and weights (n,) for expectations under a standard normal."""
    grid = GaussHermite(order)
    return grid.noise(np.random.default_rng(0), 1, 1, 2)[0, 0], grid.sample_weights(2)


def divergence(truth, means, covariances, weights):
    """KL(q‖π), as a sum over the components of q."""
    nodes, node_weights = quadrature()
    q = GaussianMixtureTruth(means, covariances, weights)
    total = 0.0
    for m, s, w in zip(means, covariances, weights, strict=True):
        x = m + nodes @ np.linalg.cholesky(s).T
        difference = q.log_density_and_gradient(x)[0] - truth.log_density_and_gradient(x)[0]
        total += w * node_weights @ difference
    return total
