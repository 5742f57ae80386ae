"""The natural gradients of GMMVI against finite differences of the divergence by quadrature."""

import numpy as np
import pytest

from helpers.divergence import divergence, quadrature, two_in_the_plane
from helpers.targets import GaussianMixtureTruth
from isogmm.optimize.gmmvi import More, Regression, Stein

MEANS = np.array([[0.3, -0.4], [-0.5, 0.9]])
WEIGHTS = np.array([0.4, 0.6])
FACTORS = {
    "full": np.array([[[1.2, 0.0], [0.5, 0.7]], [[0.8, 0.0], [-0.4, 1.1]]]),
    "diagonal": np.array([np.diag([1.2, 0.7]), np.diag([0.8, 1.1])]),
}


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("kind", list(FACTORS))
@pytest.mark.parametrize("estimator", [Stein(), Regression(), More(ridge=1e-12)], ids=repr)
def test_estimates_are_those_of_the_divergence(estimator, kind):
    """∂KL/∂m_k = w_k F⁻ᵀ g and ∂KL/∂Σ_k = w_k/2 F⁻ᵀ G F⁻¹, with nodes in place of samples."""
    truth, factors, step = two_in_the_plane(), FACTORS[kind], 1e-5
    covariances = factors @ np.swapaxes(factors, 1, 2)
    q = GaussianMixtureTruth(MEANS, covariances, WEIGHTS)
    nodes, node_weights = quadrature()

    def slope(k, shift, change):
        ends = []
        for sign in (step, -step):
            means, changed = MEANS.copy(), covariances.copy()
            means[k] += sign * shift
            changed[k] += sign * change
            ends.append(divergence(truth, means, changed, WEIGHTS))
        return (ends[0] - ends[1]) / (2.0 * step * WEIGHTS[k])

    for k, factor in enumerate(factors):
        x = MEANS[k] + nodes @ factor.T
        (log_q, score), (log_pi, gradient) = (d.log_density_and_gradient(x) for d in (q, truth))
        found, hessian = estimator.estimate(
            nodes, node_weights, log_pi - log_q, (score - gradient) @ factor, kind == "diagonal"
        )
        for i, axis in enumerate(factor.T):
            assert found[i] == pytest.approx(slope(k, axis, 0.0), abs=1e-5)
            for j in range(i + 1):
                if kind == "diagonal" and i != j:
                    continue
                # A symmetric change of both entries in the coordinates of the component.
                change = np.outer(axis, factor[:, j]) + np.outer(factor[:, j], axis)
                own = hessian[i] if kind == "diagonal" else hessian[i, j]
                assert own == pytest.approx(slope(k, 0.0, change), abs=1e-5)
