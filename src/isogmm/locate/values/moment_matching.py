"""A Gaussian around one mode from values of the log density: adaptive importance sampling."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from isogmm.draws.importance import tempered
from isogmm.locate.gaussian.elbo import antithetic_normal, elbo_from, log_gaussian
from isogmm.locate.gaussian.factors import factor_of, log_det, lower_triangular
from isogmm.model.target import Target

#: Draws of an iteration for each dimension, and their bounds.  From 50 effective draws for each
#: dimension a covariance has a relative error of about 0.15.
DRAWS_PER_DIM, MIN_DRAWS, MAX_DRAWS = 100, 400, 2000
#: Smallest effective sample size of the tempered weights, as a share of the draws.
MIN_ESS = 0.5
#: Standard errors by which an estimate of the ELBO is lowered in a comparison: a Gaussian that is
#: exact has no error, and one with a larger estimate by chance has.
NUM_SES = 2.0
#: Iterations; a Gaussian whose moments are 10 times too small needs about 6.
NUM_ITERATIONS = 8


class Matched(NamedTuple):
    """The Gaussian N(mean, L Lᵀ) with the highest ELBO, and this ELBO with its standard error."""

    mean: Float[np.ndarray, " d"]
    factor: Float[np.ndarray, "d d"]
    elbo: float
    elbo_se: float


def moment_matched(
    target: Target,
    generator: np.random.Generator,
    mean: Float[np.ndarray, " d"],
    factor: Float[np.ndarray, "d d"],
) -> Matched:
    """The best of a sequence of Gaussians, each with the weighted moments of draws of the last.

    The importance weights are tempered (draws.importance), so that a Gaussian far from the target
    moves in several steps.  The first Gaussian takes part.

    Parameters
    ----------
    target, generator
        The target, whose values are used only, and random numbers.
    mean, factor
        The first Gaussian.
    """
    num_draws = int(np.clip(DRAWS_PER_DIM * target.dim, MIN_DRAWS, MAX_DRAWS))
    best = Matched(mean, lower_triangular(factor), -np.inf, 0.0)
    for _ in range(NUM_ITERATIONS):
        factor = lower_triangular(factor)
        noise = antithetic_normal(generator, 1, num_draws, target.dim)
        points = mean + noise[0] @ factor.T
        log_density = target.values(points)
        log_q = log_gaussian(noise, np.array([log_det(factor)]))[0]
        finite = np.isfinite(log_density)
        if not finite.any():
            factor = 0.5 * factor
            continue
        value, error = elbo_from(log_density[None], log_q[None], finite[None])
        # Draws outside the support make the ELBO -inf; a Gaussian with few of them is preferred.
        elbo = float(value[0] + np.log(finite.mean()))
        if elbo - NUM_SES * error[0] > best.elbo - NUM_SES * best.elbo_se:
            best = Matched(mean, factor, elbo, float(error[0]))
        ratios = np.where(finite, log_density - log_q, -np.inf)
        weights, _ = tempered(ratios, MIN_ESS * num_draws)
        mean = weights @ points
        shifts = points - mean
        factor = factor_of((weights[:, None] * shifts).T @ shifts)
    return best
