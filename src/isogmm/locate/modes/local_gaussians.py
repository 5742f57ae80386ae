"""Gaussians that batch and match fits to single modes, from their Laplace approximations."""

from collections.abc import Sequence

import numpy as np

from isogmm.locate.gaussian.batch_and_match import batch_and_match_step, batch_size_for
from isogmm.locate.gaussian.factors import map_of
from isogmm.locate.gaussian.gaussians import Gaussians
from isogmm.locate.paths.maxima import LocalMaximum
from isogmm.locate.paths.mode_shape import MAX_DIM, MIN_DIM, shape_of
from isogmm.model.target import Target

#: Iterations of batch and match for each mode, and its damping min(first, second / (t + 1)).
NUM_MODE_ITERATIONS, MAX_MODE_DAMPING, MODE_DAMPING = 24, 10.0, 20.0
#: Gaussians whose ELBO rose by more than this number of nats in the second half of the iterations
#: have twice as many, up to the second number.  After 24, 48, 96 and 192 iterations the ELBO in a
#: funnel in d = 24 was 13.3, 7.1, 3.4 and 1.8 nats below the log mass.
MIN_ELBO_RISE, MAX_MODE_ITERATIONS = 1.0, 192
#: Largest number of modes whose shapes are fitted; others keep their Laplace approximations.
MAX_SHAPES = 12


def laplace_gaussians(maxima: Sequence[LocalMaximum]) -> Gaussians:
    """The Laplace approximations at local maxima."""
    return Gaussians.start(
        np.stack([maximum.position for maximum in maxima]),
        np.stack([maximum.factor for maximum in maxima]),
    )


def fit_local(
    target: Target,
    generator: np.random.Generator,
    gaussians: Gaussians,
    first: int,
    last: int,
) -> Gaussians:
    """Iterations ``first`` to ``last - 1`` of batch and match for each Gaussian.

    The damping averages over batches from the first iteration, so that each Gaussian stays in its
    own mode.
    """
    batch_size = batch_size_for(target.dim)
    for iteration in range(first, last):
        strength = min(MAX_MODE_DAMPING, MODE_DAMPING / (iteration + 1.0))
        gaussians = batch_and_match_step(target, gaussians, generator, batch_size, strength)
    return gaussians


def fit_until_flat(
    target: Target, generator: np.random.Generator, gaussians: Gaussians
) -> Gaussians:
    """Batch and match until no ELBO rises much, or ``MAX_MODE_ITERATIONS`` are made.

    The ELBO of a Gaussian that rises in the neck of a funnel is far below the log mass of the
    mode, and the mode would be left out.
    """
    num_iterations = NUM_MODE_ITERATIONS
    half = fit_local(target, generator, gaussians, 0, num_iterations // 2)
    fitted = fit_local(target, generator, half, num_iterations // 2, num_iterations)
    rising = _rising(half, fitted, np.arange(len(fitted.elbo)))
    while len(rising) and num_iterations < MAX_MODE_ITERATIONS:
        longer = fit_local(
            target, generator, fitted.take(rising), num_iterations, 2 * num_iterations
        )
        half, fitted = fitted, fitted.replaced(rising, longer)
        rising = _rising(half, fitted, rising)
        num_iterations *= 2
    return fitted


def fit_shapes(
    target: Target, generator: np.random.Generator, maxima: Sequence[LocalMaximum]
) -> None:
    """Fit the shapes of the most likely modes that have none.

    Where the Gaussian diverges, and in dimensions in which modes have no axes, the Laplace
    approximation takes its place.
    """
    likely = sorted(maxima, key=lambda maximum: -maximum.log_mass)[:MAX_SHAPES]
    new = [maximum for maximum in likely if maximum.shape is None]
    if not new or not MIN_DIM <= target.dim <= MAX_DIM:
        return
    fitted = fit_local(target, generator, laplace_gaussians(new), 0, NUM_MODE_ITERATIONS)
    for index, maximum in enumerate(new):
        own, log_mass = map_of(maximum.position, maximum.factor), maximum.laplace
        if fitted.alive[index]:
            own = map_of(fitted.means[index], fitted.factors[index])
            log_mass = float(fitted.elbo[index])
        maximum.shape = shape_of(target, generator, own, log_mass)


def _rising(before: Gaussians, after: Gaussians, index: np.ndarray) -> np.ndarray:
    """Those of the indices whose ELBO rose by more than ``MIN_ELBO_RISE``."""
    alive = index[after.alive[index] & np.isfinite(before.elbo[index])]
    return alive[after.elbo[alive] - before.elbo[alive] > MIN_ELBO_RISE]
