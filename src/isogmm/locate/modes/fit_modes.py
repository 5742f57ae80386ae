"""One Gaussian for each separate mode, from the local maxima that the search has found."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from isogmm.locate.gaussian.factors import Factor, log_det, lower_triangular, standardize
from isogmm.locate.gaussian.gaussians import Gaussians
from isogmm.locate.modes.local_gaussians import fit_until_flat, laplace_gaussians
from isogmm.locate.paths.maxima import (
    MIN_DIP_NATS,
    MIN_MODE_DISTANCE_SD,
    NUM_LINE_POINTS,
    LocalMaximum,
)
from isogmm.model.target import Target

#: Bhattacharyya coefficient below which the Gaussians of two local maxima are kept both although
#: there is no dip between them, if their ELBOs differ by at most this number of nats: a mode with
#: less than 5 % of the mass of its neighbor counts with it.
MAX_OVERLAP, MAX_NEIGHBOR_ELBO_GAP = 0.5, 3.0
#: Nats by which the ELBO of the best Gaussian must exceed that of a local maximum to replace it.
MIN_BEST_GAIN = 1.0
#: Largest difference between the ELBO of a mode and that of the best one, in nats: the first
#: number, or the second times the dimension.  A Gaussian describes a funnel the worse the more
#: dimensions it has: the ELBO of one with a mass of 0.29 in d = 24 was 9.0 nats below that of a
#: mode with a mass of 0.42.
MAX_MODE_ELBO_GAP, ELBO_GAP_PER_DIM = 9.0, 0.5


class ModeGaussians(NamedTuple):
    """One Gaussian for each mode, best first.

    Parameters
    ----------
    means, factors, elbo
        The Gaussians and their ELBOs.
    counts
        Number of starting points whose paths ended in each mode; 0 where the Gaussian belongs to
        no local maximum.
    num_diverged
        Number of candidates that diverged.
    """

    means: Float[np.ndarray, "m d"]
    factors: Float[np.ndarray, "m d d"] | Float[np.ndarray, "m d"]
    elbo: Float[np.ndarray, " m"]
    counts: Int[np.ndarray, " m"]
    num_diverged: int


def fit_modes(
    target: Target,
    generator: np.random.Generator,
    best: Gaussians,
    maxima: Sequence[LocalMaximum],
) -> ModeGaussians:
    """Run batch and match from every local maximum, and keep one Gaussian for each mode.

    The best Gaussian competes with those of the maxima.  Of Gaussians that describe the same
    mode, the one with the highest ELBO is kept.
    """
    if len(maxima) < 2 and not _is_elsewhere(target, best, maxima):
        counts = np.array([sum(maximum.count for maximum in maxima)])
        return ModeGaussians(best.means, best.factors, best.elbo, counts, 0)
    local = fit_until_flat(target, generator, laplace_gaussians(maxima))
    means = np.concatenate([best.means, local.means])
    factors = np.concatenate([best.factors, local.factors])
    elbo = np.concatenate([best.elbo, local.elbo])
    counts = np.array([0, *(maximum.count for maximum in maxima)])
    lowest = elbo.max() - max(MAX_MODE_ELBO_GAP, ELBO_GAP_PER_DIM * target.dim)
    ranking = elbo.copy()
    ranking[0] -= MIN_BEST_GAIN
    kept: list[int] = []
    for index in np.argsort(-ranking):
        if not np.isfinite(elbo[index]) or elbo[index] < lowest:
            continue
        gaussian = (means[index], factors[index])
        same = [
            other
            for other in kept
            if not (
                (
                    min(index, other) > 0  # neither is the best Gaussian
                    and elbo[other] - elbo[index] < MAX_NEIGHBOR_ELBO_GAP
                    and overlap(gaussian, (means[other], factors[other])) < MAX_OVERLAP
                )
                or are_separate(target, gaussian, (means[other], factors[other]))
            )
        ]
        if not same:
            kept.append(int(index))
        else:
            counts[same[0]] += counts[index]
    num_diverged = int((~local.alive).sum())
    return ModeGaussians(means[kept], factors[kept], elbo[kept], counts[kept], num_diverged)


def _is_elsewhere(target: Target, best: Gaussians, maxima: Sequence[LocalMaximum]) -> bool:
    """Whether the only maximum belongs to another mode, with a larger mass than the best Gaussian.

    The mode of the best Gaussian is then no maximum of the search, because its mass is negligible.
    In a periodogram the best Gaussian was the region without a signal, 24 nats below the peak.
    """
    return any(
        maximum.log_mass > best.elbo[0] + MIN_BEST_GAIN
        and are_separate(
            target, (best.means[0], best.factors[0]), (maximum.position, maximum.factor)
        )
        for maximum in maxima
    )


def are_separate(
    target: Target, first: tuple[np.ndarray, Factor], second: tuple[np.ndarray, Factor]
) -> bool:
    """Whether two Gaussians (mean, factor) belong to two modes.

    They do under two conditions.  The distance between the means is at least two standard
    deviations of one of them.  The log density between the means falls below both ends by more
    than a nat.
    """
    shift = second[0] - first[0]
    distance = max(
        np.sqrt((standardize(factor, shift) ** 2).sum()) for _, factor in (first, second)
    )
    if distance < MIN_MODE_DISTANCE_SD:
        return False
    fractions = np.linspace(0.0, 1.0, NUM_LINE_POINTS)[:, None]
    log_density = target.values(first[0] + fractions * shift)
    lower_end = min(log_density[0], log_density[-1])
    return bool(log_density[1:-1].min() < lower_end - MIN_DIP_NATS)


def overlap(first: tuple[np.ndarray, Factor], second: tuple[np.ndarray, Factor]) -> float:
    """Bhattacharyya coefficient ∫ √(p q) of two Gaussians (mean, factor): 1 if they are equal.

    With S the mean of the covariances and s = m₁ - m₂, it is
    exp(-sᵀ S⁻¹ s / 8) (det L₁ det L₂ / det S)^½.
    """
    (mean, factor), (other_mean, other_factor) = first, second
    if factor.ndim == 1:
        scale = np.sqrt(0.5 * (factor**2 + other_factor**2))
        shift, half_log_det = (mean - other_mean) / scale, np.log(scale).sum()
    else:
        # S = (L₁ L₁ᵀ + L₂ L₂ᵀ) / 2 from the rows of both factors, so that no digits are lost.
        root = lower_triangular(np.concatenate([factor, other_factor], axis=1) / np.sqrt(2.0))
        shift, half_log_det = standardize(root, mean - other_mean), log_det(root)
    log_volume = 0.5 * (log_det(factor) + log_det(other_factor)) - half_log_det
    return float(np.exp(log_volume - (shift**2).sum() / 8.0))
