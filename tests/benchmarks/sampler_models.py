"""Posteriors of the sampling literature as JAX log densities, with simulated data.

Each has the unconstrained coordinates in which the papers measure errors: scales are logarithms.
Sources: Inference Gym (Sountsov, Radul et al. 2020) for the first four, Grumitt et al. (2022) for
the last.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax.nn import softplus


@dataclass(frozen=True)
class SamplerModel:
    """A log density on R^d, and exact draws ``exact(generator, n)`` where they are possible.

    ``squares`` has E[x²] and sd[x²] of each coordinate where draws estimate them badly; their sds
    are left out of the errors of sds beyond the first coordinate.
    """

    name: str
    dim: int
    log_density: Callable[[Any], Any]
    exact: Callable[[np.random.Generator, int], np.ndarray] | None = None
    squares: tuple[np.ndarray, np.ndarray] | None = None


def _normal(x: Any, loc: Any, log_scale: Any) -> Any:
    return jnp.sum(-0.5 * ((x - loc) * jnp.exp(-log_scale)) ** 2 - log_scale)


def brownian_motion() -> SamplerModel:
    """Two unknown scales and 30 positions, of which the middle ten are not observed; d = 32."""
    rng = np.random.default_rng(1)
    path = np.cumsum(0.1 * rng.standard_normal(30))
    observed = path + 0.15 * rng.standard_normal(30)
    is_observed = np.r_[np.ones(10), np.zeros(10), np.ones(10)]

    def log_density(x: Any) -> Any:
        log_step, log_noise, locations = x[0], x[1], x[2:]
        steps = jnp.diff(locations, prepend=0.0)
        residuals = (observed - locations) * jnp.exp(-log_noise)
        likelihood = jnp.sum(is_observed * (-0.5 * residuals**2 - log_noise))
        # LogNormal(0, 2) priors are normal in the logarithms.
        prior = -0.5 * (log_step**2 + log_noise**2) / 4.0
        return prior + _normal(steps, 0.0, log_step) + likelihood

    # Given the scales everything is Gaussian: a grid of the two logarithms, then the path.
    kernel = np.minimum.outer(np.arange(1, 31), np.arange(1, 31)).astype(float)
    seen = np.flatnonzero(is_observed)
    inner, values = kernel[np.ix_(seen, seen)], observed[seen]

    def posterior_of_scales() -> tuple[np.ndarray, np.ndarray]:
        grid = np.stack(np.meshgrid(np.linspace(-8, 1, 451), np.linspace(-12, 1, 651)), axis=-1)
        grid = grid.reshape(-1, 2)
        # With kernel = V diag(e) V', the marginal covariance is V diag(s² e + t²) V'.
        eigenvalues, vectors = np.linalg.eigh(inner)
        scores = vectors.T @ values
        variances = np.exp(2 * grid[:, :1]) * eigenvalues + np.exp(2 * grid[:, 1:])
        log_weights = -0.5 * (np.log(variances) + scores**2 / variances).sum(axis=1)
        log_weights -= 0.125 * (grid**2).sum(axis=1)
        return grid, np.exp(log_weights - log_weights.max())

    def exact(generator: np.random.Generator, n: int) -> np.ndarray:
        grid, weights = posterior_of_scales()
        scales = grid[generator.choice(len(grid), n, p=weights / weights.sum())]
        scales = scales + generator.uniform(-0.01, 0.01, scales.shape)
        paths = []
        for block in np.array_split(scales, max(1, n // 5_000)):
            step, noise = np.exp(block).T
            # A path and observations from the joint distribution, then Matheron's correction.
            path = np.cumsum(step[:, None] * generator.standard_normal((len(block), 30)), axis=1)
            drawn = path[:, seen] + noise[:, None] * generator.standard_normal((len(block), 20))
            covariances = (step**2)[:, None, None] * inner
            covariances = covariances + (noise**2)[:, None, None] * np.eye(20)
            gains = np.linalg.solve(covariances, (values - drawn)[..., None])[..., 0]
            paths.append(path + (step**2)[:, None] * (gains @ kernel[seen]))
        return np.hstack([scales, np.concatenate(paths)])

    return SamplerModel("Brownian motion", 32, log_density, exact)


def sparse_credit() -> SamplerModel:
    """Sparse logistic regression: 1,000 rows, 25 weights with local and global scales; d = 51."""
    rng = np.random.default_rng(2)
    x = np.column_stack([rng.standard_normal((1_000, 24)), np.ones(1_000)])
    weights = np.where(np.arange(25) % 4 == 0, 0.8 * rng.standard_normal(25), 0.0)
    y = (rng.random(1_000) < 1.0 / (1.0 + np.exp(-x @ weights))).astype(float)

    def log_gamma(log_scale: Any) -> Any:
        # Gamma(0.5, rate 0.5) in the logarithm.
        return jnp.sum(0.5 * log_scale - 0.5 * jnp.exp(log_scale))

    def log_density(z: Any) -> Any:
        log_global, log_local, raw = z[0], z[1:26], z[26:]
        logits = x @ (raw * jnp.exp(log_local + log_global))
        likelihood = jnp.sum(y * logits - softplus(logits))
        prior = log_gamma(log_global) + log_gamma(log_local) - 0.5 * jnp.sum(raw**2)
        return likelihood + prior

    return SamplerModel("sparse credit", 51, log_density)


def item_response() -> SamplerModel:
    """400 students and 100 questions; 75 % of the answers are known; d = 501."""
    rng = np.random.default_rng(3)
    ability, difficulty = 0.75 + rng.standard_normal(400), rng.standard_normal(100)
    logits = ability[:, None] - difficulty
    answers = (rng.random(logits.shape) < 1.0 / (1.0 + np.exp(-logits))).astype(float)
    is_known = (rng.random(logits.shape) < 0.75).astype(float)

    def log_density(z: Any) -> Any:
        mean, ability, difficulty = z[0], z[1:401], z[401:]
        logits = mean + ability[:, None] - difficulty
        likelihood = jnp.sum(is_known * (answers * logits - softplus(logits)))
        prior = -0.5 * ((mean - 0.75) ** 2 + jnp.sum(ability**2) + jnp.sum(difficulty**2))
        return likelihood + prior

    return SamplerModel("item response", 501, log_density)


def funnel() -> SamplerModel:
    """Neal's funnel: one log variance with sd 3, and 19 variables; d = 20."""

    def log_density(x: Any) -> Any:
        return _normal(x[0], 0.0, jnp.log(3.0)) + _normal(x[1:], 0.0, 0.5 * x[0])

    def exact(rng: np.random.Generator, n: int) -> np.ndarray:
        first = 3.0 * rng.standard_normal((n, 1))
        return np.hstack([first, np.exp(0.5 * first) * rng.standard_normal((n, 19))])

    # E[x²] = E[exp(first)] = exp(4.5), and E[x⁴] = 3 E[exp(2 first)] = 3 exp(18).
    mean = np.r_[9.0, np.full(19, np.exp(4.5))]
    sd = np.r_[9.0 * np.sqrt(2.0), np.full(19, np.sqrt(3.0 * np.exp(18.0) - np.exp(9.0)))]
    return SamplerModel("funnel", 20, log_density, exact, (mean, sd))


def rosenbrock() -> SamplerModel:
    """Eighteen independent bananas, y ~ N(x², 0.1) with x ~ N(1, 1); d = 36."""

    def log_density(z: Any) -> Any:
        x, y = z[:18], z[18:]
        return _normal(x, 1.0, 0.0) + _normal(y, x**2, 0.5 * jnp.log(0.1))

    def exact(rng: np.random.Generator, n: int) -> np.ndarray:
        x = 1.0 + rng.standard_normal((n, 18))
        return np.hstack([x, x**2 + np.sqrt(0.1) * rng.standard_normal((n, 18))])

    return SamplerModel("Rosenbrock", 36, log_density, exact)


MODELS = {
    "brownian_motion": brownian_motion,
    "sparse_credit": sparse_credit,
    "item_response": item_response,
    "funnel": funnel,
    "rosenbrock": rosenbrock,
}
