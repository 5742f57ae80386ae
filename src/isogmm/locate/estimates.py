"""Checks of the estimated masses of local maxima by the ELBOs of Gaussians."""

from collections.abc import Sequence

import numpy as np

from isogmm.locate.local_gaussians import fit_local, laplace_gaussians
from isogmm.locate.maxima import MIN_MODE_DISTANCE_SD, LocalMaximum
from isogmm.mixtures.affine_map import MAX_DENSE_DIM
from isogmm.model.target import Target

#: Nats by which the estimated log mass of a mode may be below that of the best one.
MAX_LOG_MASS_GAP = 12.0
#: Laplace estimates down to this number of nats below the limit, for each dimension, are checked
#: by ``NUM_ELBO_ITERATIONS`` of batch and match, at most ``MAX_CHECKED`` of them in a round.  A
#: funnel in d = 26 with a mass of 0.14 was 73 nats below the best mode, 2.3 for each dimension
#: below the limit.
CHECKED_NATS_PER_DIM, NUM_ELBO_ITERATIONS, MAX_CHECKED = 3.5, 16, 8
#: A Laplace estimate that exceeds the ELBO of the first Gaussian by more than this number of nats
#: is replaced by the ELBO of its mode.  In a hierarchy with scale zero, maxima in a flat region had
#: estimates that were 74 nats too high, and all true modes seemed negligible beside them.
MAX_LAPLACE_EXCESS = 6.0
#: A maximum that one path reached, with a Laplace estimate that is lower than the best one by more
#: than this number of nats, may be the end of a path on the slope of another mode.  In single
#: precision four paths to six aliases of a sine ended there, 6 to 25 nats below.
MIN_SLOPE_GAP = 3.0


def check_estimates(
    target: Target, generator: np.random.Generator, maxima: Sequence[LocalMaximum], elbo: float
) -> None:
    """Compute ELBOs of the maxima whose Laplace estimate may be far too low or too high.

    Parameters
    ----------
    target, generator
        The target, and random numbers.
    maxima
        Their estimates are changed.
    elbo
        ELBO of the first Gaussian.
    """
    best = max([elbo, *(maximum.log_mass for maximum in maxima)])
    upper = best - MAX_LOG_MASS_GAP
    lower, highest = upper - CHECKED_NATS_PER_DIM * target.dim, elbo + MAX_LAPLACE_EXCESS
    unsure = [
        maximum
        for maximum in maxima
        if maximum.elbo is None and (lower < maximum.laplace <= upper or maximum.laplace > highest)
    ]
    unsure.sort(key=lambda maximum: -maximum.laplace)
    if not unsure or target.dim > MAX_DENSE_DIM:
        return
    checked = unsure[:MAX_CHECKED]
    fitted = fit_local(target, generator, laplace_gaussians(checked), 0, NUM_ELBO_ITERATIONS)
    for maximum, own in zip(checked, fitted.elbo, strict=True):
        maximum.elbo = float(own) if np.isfinite(own) else -np.inf
        if maximum.laplace > highest:
            maximum.laplace = min(maximum.laplace, maximum.elbo)


def without_slopes(
    target: Target,
    generator: np.random.Generator,
    new: Sequence[LocalMaximum],
    known: Sequence[LocalMaximum],
) -> list[LocalMaximum]:
    """The new maxima except for ends of paths on the slopes of known modes.

    Rounding errors of the gradient can end a path there.  A Gaussian that starts from such an end
    moves to the mode.

    Parameters
    ----------
    target, generator
        The target, and random numbers.
    new, known
        The maxima that were found last, and those before.
    """
    best = max((maximum.laplace for maximum in known), default=-np.inf)
    unsure = [one for one in new if one.count == 1 and one.laplace < best - MIN_SLOPE_GAP]
    unsure = unsure[:MAX_CHECKED]
    if not unsure or target.dim > MAX_DENSE_DIM:
        return list(new)
    fitted = fit_local(target, generator, laplace_gaussians(unsure), 0, NUM_ELBO_ITERATIONS)
    slopes = [
        maximum
        for maximum, mean in zip(unsure, fitted.means, strict=True)
        if any(
            other.log_density > maximum.log_density and other.is_within(mean, MIN_MODE_DISTANCE_SD)
            for other in known
        )
    ]
    return [one for one in new if all(one is not slope for slope in slopes)]
