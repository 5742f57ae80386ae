"""A Gaussian for a density with a hard edge, where batch and match diverges.

Beyond a hard edge the log density is -inf, as for ``jnp.where(x > 0, -x, -inf)``.  Its gradient
says nothing about the edge.  The moments of the density are therefore estimated by adaptive
importance sampling, which needs no gradient (Cappé et al. 2004, Population Monte Carlo).
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from isogmm.locate.gaussian.elbo import antithetic_normal, elbo_from, log_gaussian
from isogmm.locate.gaussian.gaussians import Gaussians
from isogmm.locate.paths.candidates import Place
from isogmm.locate.paths.lbfgs import Path
from isogmm.locate.race.race import Outcome
from isogmm.mixtures.affine_map import MAX_DENSE_DIM
from isogmm.model.target import Target

#: Standard deviations of the first Gaussian in every direction.  The integral of a density for
#: which the largest one is best may be infinite.
SCALES = 10.0 ** np.arange(-4.0, 4.5, 0.5)
#: Draws of a Gaussian: at least this number, and a multiple of the dimension.
NUM_DRAWS, NUM_DRAWS_PER_DIM = 256, 16
#: Updates of the moments, and smallest effective sample size in units of d + 1 that allows one.
NUM_UPDATES, MIN_ESS_PER_DIM = 6, 3.0
#: Ends of paths that are tried, the highest first.
MAX_ENDS = 4
#: Variance that is added, as a share of the mean variance.
JITTER = 1e-8


def gaussian_at_edge(
    target: Target, generator: np.random.Generator, paths: Sequence[Path], num_diverged: int
) -> Outcome | None:
    """A Gaussian with the moments of a density that has a hard edge near the end of a path.

    Parameters
    ----------
    target
        The target.
    generator
        Random numbers.
    paths
        The optimization paths.
    num_diverged
        Number of candidates that diverged, for the outcome.

    Returns
    -------
    Outcome or None
        None if there is no hard edge, or if no Gaussian has enough effective draws.
    """
    if target.dim > MAX_DENSE_DIM:
        return None
    for path in sorted(paths, key=lambda path: -path.log_density[-1])[:MAX_ENDS]:
        gaussian = _best_scale(target, generator, path.end)
        if gaussian is None:
            continue
        for _ in range(NUM_UPDATES):
            gaussian = _matched(target, generator, gaussian)
        return Outcome(gaussian, Place.END, num_diverged, settled=True)
    return None


def _best_scale(
    target: Target, generator: np.random.Generator, center: Float[np.ndarray, " d"]
) -> Gaussians | None:
    """The isotropic Gaussian whose draws find the most mass; None without a hard edge.

    The mean weight estimates the mass that the Gaussian covers.
    """
    dim = len(center)
    factors = SCALES[:, None, None] * np.eye(dim)
    candidates = Gaussians.start(np.tile(center, (len(SCALES), 1)), factors)
    _, log_density, log_q = _evaluate(target, generator, candidates)
    log_ratio = log_density - log_q
    is_enough = np.array([_ess(_weights(row)) for row in log_ratio]) >= MIN_ESS_PER_DIM * (dim + 1)
    log_mass = np.where(is_enough, np.logaddexp.reduce(log_ratio, axis=1), -np.inf)
    best = int(np.argmax(log_mass))
    has_edge = not np.isfinite(log_density[best]).all()
    if not (has_edge and is_enough[best]) or best == len(SCALES) - 1:
        return None
    return candidates.take(np.array([best]))


def _matched(target: Target, generator: np.random.Generator, gaussian: Gaussians) -> Gaussians:
    """The Gaussian with the weighted moments of its draws; unchanged with too few of them."""
    points, log_density, log_q = _evaluate(target, generator, gaussian)
    weights = _weights(log_density[0] - log_q[0])
    elbo = elbo_from(log_density, log_q, np.isfinite(log_density))
    known = Gaussians(
        gaussian.means, gaussian.factors, elbo.value, elbo.standard_error, gaussian.alive
    )
    dim = points.shape[-1]
    if _ess(weights) < MIN_ESS_PER_DIM * (dim + 1):
        return known
    mean = weights @ points[0]
    centered = points[0] - mean
    covariance = (weights[:, None] * centered).T @ centered
    covariance += JITTER * np.trace(covariance) / dim * np.eye(dim)
    factor = np.linalg.cholesky(covariance)
    return Gaussians(
        mean[None], factor[None], elbo.value, elbo.standard_error, np.ones(1, dtype=bool)
    )


def _evaluate(
    target: Target, generator: np.random.Generator, gaussians: Gaussians
) -> tuple[Float[np.ndarray, "c n d"], Float[np.ndarray, "c n"], Float[np.ndarray, "c n"]]:
    """Draws of each Gaussian, their log densities, and those of the Gaussian itself."""
    count, dim = gaussians.means.shape
    draws = antithetic_normal(generator, count, max(NUM_DRAWS, NUM_DRAWS_PER_DIM * dim), dim)
    points = gaussians.forward(draws)
    log_density, _ = target.evaluate(points)
    return points, log_density, log_gaussian(draws, gaussians.log_det())


def _weights(log_ratio: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
    """Normalized importance weights; zeros if no draw has a finite log density."""
    if not np.isfinite(log_ratio).any():
        return np.zeros(len(log_ratio))
    weights = np.exp(log_ratio - log_ratio.max())
    return weights / weights.sum()


def _ess(weights: Float[np.ndarray, " n"]) -> float:
    """The effective sample size (Σ w)² / Σ w²."""
    total = float((weights**2).sum())
    return 1.0 / total if total > 0 else 0.0
