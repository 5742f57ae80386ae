"""Local maxima at kinks of the log density that belong to one mode.

The log density of a regression with Laplace or quantile errors, and of one with Laplace priors, has
kinks.  Paths to its only mode end at many of them.  The curvature at a kink is far too large, so
that these ends are many of their standard deviations apart, and each seems to be a mode.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from isogmm.locate.modes.local_gaussians import NUM_MODE_ITERATIONS, fit_local, laplace_gaussians
from isogmm.locate.paths.maxima import MIN_MODE_DISTANCE_SD, LocalMaximum, is_dip_between
from isogmm.mixtures.affine_map import MAX_DENSE_DIM
from isogmm.model.target import Target

#: Nats by which a Laplace estimate at a kink is at least below the ELBO of a Gaussian.  In three
#: dimensions it was 4 to 11 nats below.
MIN_KINK_GAP = 3.0
#: Largest dip of the log density between two kinks of one mode, in nats.  Two modes of equal width
#: that are three sds apart have a dip of 0.4.
MAX_KINK_DIP = 0.1
#: Largest number of Gaussians that one call fits.
MAX_FITTED = 8


def merge_kinks(
    target: Target, generator: np.random.Generator, maxima: list[LocalMaximum], elbo: float
) -> None:
    """Replace the maxima at kinks of one mode by one, with the width of a fitted Gaussian.

    Maxima belong to one mode if the log density has no dip between them, and if a Gaussian that
    starts from the highest one becomes much wider but stays there.  A narrow mode beside a wide one
    may have no dip either.  Its Gaussian does not become wider.

    Parameters
    ----------
    target, generator
        The target, and random numbers.
    maxima
        The local maxima; those of one mode are replaced.
    elbo
        ELBO of the first Gaussian.
    """
    if target.dim > MAX_DENSE_DIM:
        return
    likely = max([elbo, *(maximum.log_mass for maximum in maxima)]) - MIN_KINK_GAP
    low = [one for one in maxima if one.laplace < likely]
    for mode in [maximum for maximum in maxima if maximum.is_widened]:
        own = _without_dip(target, mode, low)
        _merge(maxima, mode, own)
        low = [one for one in low if all(one is not other for other in own)]
    low.sort(key=lambda maximum: -maximum.log_density)
    for _ in range(MAX_FITTED):
        if len(low) < 2:
            return
        highest, *others = low
        low = others
        others = _without_dip(target, highest, others)
        if not others or (wide := _widened(target, generator, highest)) is None:
            continue
        own = [other for other in others if wide.is_within(other.position, MIN_MODE_DISTANCE_SD)]
        maxima[_index(maxima, highest)] = wide
        _merge(maxima, wide, own)
        low = [one for one in low if all(one is not other for other in own)]


def _without_dip(
    target: Target, mode: LocalMaximum, others: Sequence[LocalMaximum]
) -> list[LocalMaximum]:
    """The other maxima to which the log density does not fall from this one."""
    return [
        other
        for other in others
        if other is not mode and not is_dip_between(target, mode, other.position, MAX_KINK_DIP)
    ]


def _widened(
    target: Target, generator: np.random.Generator, maximum: LocalMaximum
) -> LocalMaximum | None:
    """The maximum with a Gaussian whose ELBO is far above the Laplace estimate, or None."""
    start = laplace_gaussians([maximum])
    fitted = fit_local(target, generator, start, 0, NUM_MODE_ITERATIONS)
    found = float(fitted.elbo[0])
    if not fitted.alive[0] or not found > maximum.laplace + MIN_KINK_GAP:
        return None
    wide = replace(
        maximum, factor=fitted.factors[0], laplace=found, elbo=found, reach=found, is_widened=True
    )
    return wide if wide.is_within(fitted.means[0], MIN_MODE_DISTANCE_SD) else None


def _merge(maxima: list[LocalMaximum], mode: LocalMaximum, others: Sequence[LocalMaximum]) -> None:
    """Count the paths to the other maxima with those to this one, and remove the others."""
    for other in others:
        mode.count += other.count
        mode.num_from_own += other.num_from_own
        del maxima[_index(maxima, other)]


def _index(maxima: Sequence[LocalMaximum], maximum: LocalMaximum) -> int:
    return next(index for index, one in enumerate(maxima) if one is maximum)
