"""The low-rank plus diagonal Gaussian at a maximum."""

import numpy as np
import pytest

from helpers.targets import make_target
from isogmm.locate.gaussian.low_rank import RANK, low_rank_at


@pytest.mark.usefixtures("unchecked")
def test_scales_and_strong_correlations_are_found_to_a_factor_of_two():
    """Scales from 1e-3 to 1e3, and two directions with variances of 1/400 and 100 beside them."""
    dim = RANK + 30
    scales = np.geomspace(1e-3, 1e3, dim)
    basis = np.linalg.qr(np.random.default_rng(0).standard_normal((dim, 2)))[0]
    precision = np.eye(dim) + (basis * (np.array([400.0, 0.01]) - 1.0)) @ basis.T

    def log_density_and_gradient(points):
        z = points / scales
        gradients = -z @ precision
        return 0.5 * (z * gradients).sum(axis=1), gradients / scales

    found = low_rank_at(make_target(log_density_and_gradient, dim), np.zeros(dim))
    root = found.linear(np.eye(dim)) / scales  # of the covariance in the units of the scales
    ratios = np.linalg.eigvalsh(root @ precision @ root.T)
    assert ratios[0] > 0.5
    assert ratios[-1] < 2.0
