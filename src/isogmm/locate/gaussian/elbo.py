"""Draws of Gaussians, and the ELBO with its standard error estimated from them."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from isogmm.arrays import LOG_2PI


class Elbo(NamedTuple):
    """Estimates of E_q[log π - log q] for c Gaussians, and their standard errors, (c,)."""

    value: Float[np.ndarray, " c"]
    standard_error: Float[np.ndarray, " c"]


def antithetic_normal(
    generator: np.random.Generator, count: int, num_draws: int, dim: int
) -> Float[np.ndarray, "c n d"]:
    """Standard normal draws ε in pairs (ε, -ε), so that their mean is zero if n is even."""
    half = generator.standard_normal((count, (num_draws + 1) // 2, dim))
    return np.concatenate([half, -half], axis=1)[:, :num_draws]


def log_gaussian(
    normal_draws: Float[np.ndarray, "c n d"], log_det: Float[np.ndarray, " c"]
) -> Float[np.ndarray, "c n"]:
    """log q(m + L ε) = -‖ε‖²/2 - d/2 log 2π - log det L for draws ε."""
    dim = normal_draws.shape[-1]
    return -0.5 * ((normal_draws**2).sum(-1) + dim * LOG_2PI) - log_det[:, None]


def elbo_from(
    log_density: Float[np.ndarray, "c n"],
    log_q: Float[np.ndarray, "c n"],
    finite: Bool[np.ndarray, "c n"],
) -> Elbo:
    """Mean of log π - log q over the draws with a finite log density, and its standard error.

    Both overflow without a warning; the caller takes candidates with infinite values out.
    """
    num_finite = np.maximum(finite.sum(axis=1), 1)
    share = finite / num_finite[:, None]
    ratio = np.where(finite, log_density - log_q, 0.0)
    with np.errstate(over="ignore", invalid="ignore"):
        value = (share * ratio).sum(1)
        variance = (share * (ratio - value[:, None]) ** 2).sum(1)
        return Elbo(value, np.sqrt(variance / num_finite))
