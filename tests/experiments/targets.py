"""Densities of the experiments whose normalizing constant is known, and one robot."""

from typing import Any

import jax.numpy as jnp
import numpy as np
from jax.scipy.special import logsumexp

from experiments.problems import Problem, nearest

LOG_2PI = float(np.log(2.0 * np.pi))


def gaussian_mixture(
    name: str, means: Any, variances: Any, weights: Any, start_scale: float = 2.0
) -> Problem:
    """A mixture of Gaussians with diagonal covariances: means, variances (k, d), weights (k,)."""
    means, variances = np.asarray(means, float), np.asarray(variances, float)
    weights = np.asarray(weights, float)
    k, d = means.shape
    # The quadratic form as two matrix products: no (points, k, d) array.
    precisions = 1.0 / variances
    constants = np.log(weights) - 0.5 * (
        (means**2 * precisions).sum(1) + np.log(variances).sum(1) + d * LOG_2PI
    )

    def log_density(x: Any) -> Any:
        squares = jnp.asarray(precisions, x.dtype) @ (x * x)
        cross = jnp.asarray(precisions * means, x.dtype) @ x
        return logsumexp(jnp.asarray(constants, x.dtype) + cross - 0.5 * squares)

    def draw(generator: np.random.Generator, n: int) -> np.ndarray:
        chosen = generator.choice(k, size=n, p=weights)
        return means[chosen] + np.sqrt(variances[chosen]) * generator.standard_normal((n, d))

    return Problem(
        name,
        d,
        log_density,
        log_evidence=0.0,
        draw=draw,
        mode_of=nearest(means),
        start_scale=start_scale,
        arrays=(means, variances, weights),
    )


def random_mixture(
    name: str, dim: int, modes: int, half_width: float, scale: float, seed: int
) -> Problem:
    """The paper's random target: means uniform in a box, diagonal covariances, integer weights.

    Variances are uniform in (1, 10), divided by the largest of their component, times ``scale``;
    weights uniform integers in 1..2k, normalized.
    """
    generator = np.random.default_rng([seed, dim, modes])
    means = generator.uniform(-half_width, half_width, (modes, dim))
    entries = generator.uniform(1.0, 10.0, (modes, dim))
    weights = generator.integers(1, 2 * modes + 1, modes).astype(float)
    return gaussian_mixture(
        name,
        means,
        scale * entries / entries.max(axis=1, keepdims=True),
        weights / weights.sum(),
        start_scale=half_width,
    )


def square_of_modes(name: str, distance: float, variance: float, weights: Any) -> Problem:
    """Four isotropic modes at (±distance, ±distance)."""
    signs = np.array([[-1.0, -1.0], [1.0, 1.0], [-1.0, 1.0], [1.0, -1.0]])
    means = distance * signs
    return gaussian_mixture(name, means, np.full((4, 2), variance), weights, distance)


def funnel(name: str = "funnel", variance: float = 1.2) -> Problem:
    """x₁ ~ N(0, variance), x₂ ~ N(0, exp(x₁))."""

    def log_density(x: Any) -> Any:
        first = x[0] ** 2 / variance + np.log(variance)
        second = x[1] ** 2 * jnp.exp(-x[0]) + x[0]
        return -0.5 * (first + second) - LOG_2PI

    def draw(generator: np.random.Generator, n: int) -> np.ndarray:
        first = np.sqrt(variance) * generator.standard_normal(n)
        return np.stack([first, np.exp(first / 2) * generator.standard_normal(n)], axis=1)

    return Problem(name, 2, log_density, log_evidence=0.0, draw=draw)


def sinh_arcsinh(name: str, skew: Any, tail: Any, correlation: float = 0.4) -> Problem:
    """z with unit variances and a correlation, each coordinate sinh((arcsinh z - skew) / tail)."""
    skew, tail = np.asarray(skew, float), np.asarray(tail, float)
    covariance = np.array([[1.0, correlation], [correlation, 1.0]])
    precision = np.linalg.inv(covariance)
    constant = -LOG_2PI - 0.5 * np.linalg.slogdet(covariance)[1]

    def log_density(x: Any) -> Any:
        bent = tail * jnp.arcsinh(x) + skew
        z = jnp.sinh(bent)
        jacobian = np.log(tail) + jnp.log(jnp.cosh(bent)) - 0.5 * jnp.log1p(x * x)
        return constant - 0.5 * z @ jnp.asarray(precision) @ z + jnp.sum(jacobian)

    def draw(generator: np.random.Generator, n: int) -> np.ndarray:
        z = generator.standard_normal((n, 2)) @ np.linalg.cholesky(covariance).T
        return np.sinh((np.arcsinh(z) - skew) / tail)

    return Problem(name, 2, log_density, log_evidence=0.0, draw=draw)


def student_mixture(
    name: str, dim: int = 20, modes: int = 10, half_width: float = 20.0, seed: int = 0
) -> Problem:
    """Student t mixture with two degrees of freedom, equal weights, correlated scale matrices."""
    generator = np.random.default_rng([seed, dim, modes])
    means = generator.uniform(-half_width, half_width, (modes, dim))
    factors = []
    for _ in range(modes):
        square = 0.1 * generator.standard_normal((dim, dim)) + np.eye(dim)
        factors.append(np.linalg.cholesky(square @ square.T))
    lower = np.stack(factors)
    inverse = np.linalg.inv(lower)
    degrees = 2.0
    # Γ(d/2 + 1) / Γ(1) / (2π)^(d/2) for two degrees of freedom.
    log_gamma = float(np.log(np.arange(1, dim // 2 + 1)).sum())
    constant = log_gamma - 0.5 * dim * np.log(np.pi * degrees) - np.log(modes)
    log_dets = np.log(np.diagonal(lower, axis1=1, axis2=2)).sum(1)

    def log_density(x: Any) -> Any:
        pulled = jnp.einsum("kij,kj->ki", jnp.asarray(inverse), x[None, :] - jnp.asarray(means))
        squares = jnp.sum(pulled**2, axis=1)
        kernel = -0.5 * (degrees + dim) * jnp.log1p(squares / degrees)
        return logsumexp(constant - jnp.asarray(log_dets) + kernel)

    def draw(generator: np.random.Generator, n: int) -> np.ndarray:
        chosen = generator.integers(modes, size=n)
        scale = np.sqrt(degrees / generator.chisquare(degrees, n))
        noise = np.einsum("nij,nj->ni", lower[chosen], generator.standard_normal((n, dim)))
        return means[chosen] + scale[:, None] * noise

    return Problem(
        name,
        dim,
        log_density,
        log_evidence=0.0,
        draw=draw,
        mode_of=nearest(means),
        start_scale=half_width,
    )


def planar_robot(name: str = "planar_robot", links: int = 10) -> Problem:
    """Joint angles of a planar arm whose hand reaches one of four goals.

    Links of length one; angles N(0, 1) for the first joint and N(0, 0.04) for the others; the
    hand at the nearest of (±7, 0), (0, ±7), up to N(0, 0.0001) in both coordinates.

    References
    ----------
    Arenz, Zhong, Neumann (2020). Trust-region variational inference with Gaussian mixture
    models. arXiv:1907.04710.
    """
    goals = np.array([[7.0, 0.0], [-7.0, 0.0], [0.0, 7.0], [0.0, -7.0]])
    prior = np.array([1.0] + [0.04] * (links - 1))
    noise = 1e-4

    def log_density(x: Any) -> Any:
        angles = jnp.cumsum(x)
        hand = jnp.stack([jnp.sum(jnp.cos(angles)), jnp.sum(jnp.sin(angles))])
        squares = jnp.sum((hand[None, :] - jnp.asarray(goals)) ** 2, axis=1)
        log_prior = -0.5 * jnp.sum(x * x / prior + np.log(prior) + LOG_2PI)
        return log_prior - 0.5 * jnp.min(squares) / noise - LOG_2PI - np.log(noise)

    return Problem(name, links, log_density)


def forty_modes(name: str = "forty_modes") -> Problem:
    """40 unit-covariance-like modes in [-40, 40]², standard deviation log(1 + e).

    References
    ----------
    Midgley, Stimper, Simm, Schölkopf, Hernández-Lobato (2023). Flow annealed importance
    sampling bootstrap. arXiv:2208.01893.
    """
    generator = np.random.default_rng(0)
    means = generator.uniform(-40.0, 40.0, (40, 2))
    variance = float(np.log1p(np.e) ** 2)
    return gaussian_mixture(name, means, np.full((40, 2), variance), np.full(40, 1 / 40), 50.0)
