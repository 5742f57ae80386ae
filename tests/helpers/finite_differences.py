"""KL divergences by quadrature, and their derivatives by finite differences."""

import numpy as np

from helpers.targets import GaussianMixtureTruth, isotropic_mixture

STEP = 1e-4


def kl_on_a_grid(truth, means, variances, weights):
    """KL(q‖π) by the trapezoidal rule, which converges faster than any power here."""
    d = means.shape[1]
    nodes = np.linspace(-9, 9, 2001 if d == 1 else 301)
    points = np.stack(np.meshgrid(*[nodes] * d, indexing="ij"), -1).reshape(-1, d)
    log_q = isotropic_mixture(means, variances, weights).log_density_and_gradient(points)[0]
    log_pi = truth.log_density_and_gradient(points)[0]
    return float((np.exp(log_q) * (log_q - log_pi)).sum() * (nodes[1] - nodes[0]) ** d)


def finite_differences(truth, means, variances, weights):
    """∂KL/∂m_k / w_k and 2 ∂KL/∂v_k / (d w_k)."""
    g, s = np.zeros_like(means), np.zeros_like(variances)
    k, d = means.shape
    for i in range(k):
        for j in range(d):
            shift = np.zeros_like(means)
            shift[i, j] = STEP
            up = kl_on_a_grid(truth, means + shift, variances, weights)
            down = kl_on_a_grid(truth, means - shift, variances, weights)
            g[i, j] = (up - down) / (2 * STEP * weights[i])
        shift = np.zeros_like(variances)
        shift[i] = STEP
        up = kl_on_a_grid(truth, means, variances + shift, weights)
        down = kl_on_a_grid(truth, means, variances - shift, weights)
        s[i] = (up - down) / (2 * STEP) * 2 / (d * weights[i])
    return g, s


def check_against_finite_differences(gradient_function, dim):
    """The test function: any gradient function that passes computes the derivatives of the KL."""
    # Overlapping components, so that the mixture's score differs from a component's own.
    if dim == 1:
        means = np.array([[-0.6], [0.5], [1.4]])
        truth = isotropic_mixture([[-1.0], [1.0]], [1.2, 0.8], [0.4, 0.6])
    else:
        means = np.array([[-0.6, 0.2], [0.5, -0.3], [0.9, 0.8]])
        covariance = np.array([[[1.0, 0.4], [0.4, 1.3]], [[0.9, -0.2], [-0.2, 0.8]]])
        centers = np.array([[0.3, -0.2], [-0.5, 0.6]])
        truth = GaussianMixtureTruth(centers, covariance, np.array([0.5, 0.5]))
    variances = np.array([0.7, 1.1, 0.9])
    weights = np.array([0.5, 0.2, 0.3])
    expected_g, expected_s = finite_differences(truth, means, variances, weights)
    g, s = gradient_function(truth, means, variances, weights)
    # Central differences err by h²/6 times the third derivative, rounding by 1e-16/h.
    np.testing.assert_allclose(g, expected_g, atol=1e-6)
    np.testing.assert_allclose(s, expected_s, atol=1e-6)
