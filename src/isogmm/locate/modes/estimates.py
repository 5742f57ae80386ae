"""Checks of the estimated masses of local maxima by the ELBOs of Gaussians."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from isogmm.locate.gaussian.gaussians import Gaussians
from isogmm.locate.modes.local_gaussians import fit_local, laplace_gaussians
from isogmm.locate.paths.maxima import MIN_MODE_DISTANCE_SD, LocalMaximum, is_dip_between
from isogmm.mixtures.affine_map import MAX_DENSE_DIM
from isogmm.model.target import Target

#: Nats by which the estimated log mass of a mode may be below that of the best one.
MAX_LOG_MASS_GAP = 12.0
#: Laplace estimates down to this number of nats below the limit, for each dimension, are checked
#: by ``NUM_ELBO_ITERATIONS`` of batch and match, at most ``MAX_CHECKED`` of them in a round.  A
#: funnel in d = 26 with a mass of 0.14 was 73 nats below the best mode, 2.3 for each dimension
#: below the limit.
CHECKED_NATS_PER_DIM, NUM_ELBO_ITERATIONS, MAX_CHECKED = 3.5, 16, 8
#: An ELBO may still rise by this multiple of its rise in the second half of the iterations.  In
#: funnels in d = 16, 24 and 30 the ELBO was 9, 32 and 63 nats below the log mass after 16
#: iterations, and had risen by 6, 10 and 13 in the second half.  In a hierarchy with d = 65, where
#: a spike is 37 nats below the best Gaussian, it was 44 below and had risen by 4.
MAX_RISE_FACTOR = 5.0
#: The iterations are doubled up to this number, while the limit lies between the ELBO and the value
#: that it may reach.
MAX_ELBO_ITERATIONS = 128
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
    fitted, reached = _fitted(target, generator, checked, upper)
    likely = [maximum for maximum in maxima if upper < maximum.laplace <= highest]
    for index, maximum in enumerate(checked):
        maximum.elbo, maximum.reach = float(fitted.elbo[index]), float(reached[index])
        if maximum.laplace > highest:
            maximum.laplace = min(maximum.laplace, maximum.elbo)
        elif maximum.elbo > upper and _has_moved(target, fitted.means[index], likely):
            maximum.elbo = maximum.reach = maximum.laplace


def _has_moved(
    target: Target, mean: Float[np.ndarray, " d"], likely: Sequence[LocalMaximum]
) -> bool:
    """Whether a Gaussian with this mean describes another mode than its own, or moves there.

    The likelihood of a mixture model has narrow maxima at single observations.  Gaussians that
    start from them move to the main modes.
    """
    return any(
        other.is_within(mean, MIN_MODE_DISTANCE_SD) or not is_dip_between(target, other, mean)
        for other in likely
    )


def _fitted(
    target: Target,
    generator: np.random.Generator,
    maxima: Sequence[LocalMaximum],
    limit: float,
) -> tuple[Gaussians, Float[np.ndarray, " c"]]:
    """Gaussians from the maxima, and values that their ELBOs may reach after more iterations.

    The iterations go on while the limit lies between the ELBO and this value.
    """
    num_iterations = NUM_ELBO_ITERATIONS
    half = fit_local(target, generator, laplace_gaussians(maxima), 0, num_iterations // 2)
    fitted = fit_local(target, generator, half, num_iterations // 2, num_iterations)
    while True:
        # The ELBO of a Gaussian that has diverged is -inf.
        is_rising = fitted.alive & np.isfinite(half.elbo)
        rise = np.where(is_rising, fitted.elbo, 0.0) - np.where(is_rising, half.elbo, 0.0)
        reach = fitted.elbo + MAX_RISE_FACTOR * np.maximum(rise, 0.0)
        index = np.flatnonzero((fitted.elbo <= limit) & (limit < reach))
        if not index.size or num_iterations >= MAX_ELBO_ITERATIONS:
            return fitted, reach
        longer = fit_local(
            target, generator, fitted.take(index), num_iterations, 2 * num_iterations
        )
        # The others do not rise any more.
        half, fitted = fitted, fitted.replaced(index, longer)
        num_iterations *= 2


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
