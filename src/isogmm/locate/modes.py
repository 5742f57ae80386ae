"""Which optimization paths ended in different modes, and how many modes were left unseen."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from isogmm.arrays import LOG_2PI
from isogmm.locate.batch_and_match import Gaussians, batch_and_match_step, batch_size_for
from isogmm.locate.curvature import laplace_factor, laplace_scales
from isogmm.locate.paths import DENSE_LIMIT, Path
from isogmm.model.target import Target

#: Two Gaussians whose means are closer than this, in units of either's covariance, are one mode.
SAME_MODE = 2.0
#: A path that comes as near to a known maximum, and within a nat below it, needs no further steps.
NEAR = 1.0
#: A local maximum has no gradient left, in units of its own standard deviations.
_FLAT = 0.05
#: A dip of the log density by this much between two means makes them two modes.
_VALLEY = 1.0


@dataclass
class LocalMaximum:
    """A local maximum of the log density with the Gaussian that its curvature implies.

    ``log_mass`` is the Laplace estimate log π(x) + d/2 log 2π + log |det L|; ``count`` the
    number of starts that ended here.
    """

    position: Float[np.ndarray, " d"]
    factor: np.ndarray
    log_density: float
    log_mass: float
    count: int = 1

    def distance(self, position: Float[np.ndarray, " d"]) -> float:
        """‖L⁻¹ (x - m)‖, in standard deviations."""
        shift = standardized(self.factor, position - self.position)
        return float(np.sqrt((shift**2).sum()))

    def is_near(self, position: Float[np.ndarray, " d"], log_density: float) -> bool:
        """Whether a path at this position is about to end here: as good as here, and no better."""
        below = self.log_density - log_density
        return 0.0 <= below < 1.0 and self.distance(position) < NEAR


def standardized(factor: np.ndarray, shift: np.ndarray) -> np.ndarray:
    """L⁻¹ (x - m), for a triangular factor or a vector of scales."""
    return shift / factor if factor.ndim == 1 else np.linalg.solve(factor, shift)


def is_near_one(
    maxima: Sequence[LocalMaximum], position: Float[np.ndarray, " d"], log_density: float
) -> bool:
    """Whether a path at this position is about to end at one of the maxima."""
    return any(maximum.is_near(position, log_density) for maximum in maxima)


def add_path(target: Target, maxima: list[LocalMaximum], path: Path) -> bool:
    """Count the end of a path with the maximum it belongs to; True if it is a new one.

    An end that still has a gradient (the spike of a funnel, an improper direction) is no
    maximum and is left out.
    """
    end, gradient = path.end, path.gradients[-1]
    for maximum in maxima:
        if maximum.distance(end) < SAME_MODE:
            maximum.count += 1
            return False
    if len(end) > DENSE_LIMIT:
        factor = laplace_scales(target, end)
        slope, log_det = factor * gradient, np.log(factor).sum()
    else:
        factor = laplace_factor(target, end, path.guess())
        slope, log_det = gradient @ factor, np.log(np.diag(factor)).sum()
    if np.sqrt((slope**2).sum()) > _FLAT * np.sqrt(len(end)):
        return False
    log_density = float(path.log_density[-1])
    log_mass = log_density + 0.5 * len(end) * LOG_2PI + log_det
    maxima.append(LocalMaximum(end, factor, log_density, float(log_mass)))
    return True


def unseen_probability(maxima: list[LocalMaximum]) -> float:
    """The Good-Turing estimate of the chance that a further start ends in a new mode.

    The share of starts whose mode no other start found (Good 1953).
    """
    total = sum(maximum.count for maximum in maxima)
    return sum(maximum.count == 1 for maximum in maxima) / total if total else 0.0


def are_separate(
    target: Target,
    first: tuple[np.ndarray, np.ndarray],
    second: tuple[np.ndarray, np.ndarray],
) -> bool:
    """Whether two Gaussians (mean, factor) describe two modes rather than one.

    They do if each mean is more than two standard deviations from the other in its direction
    and the log density dips between the means below both by more than 1.
    """
    shift = second[0] - first[0]
    distance = max(
        np.sqrt((standardized(factor, shift) ** 2).sum()) for _, factor in (first, second)
    )
    if distance < SAME_MODE:
        return False
    fractions = np.linspace(0.0, 1.0, 17)[:, None]
    log_density, _ = target.evaluate(first[0] + fractions * shift)
    return bool(log_density[1:-1].min() < min(log_density[0], log_density[-1]) - _VALLEY)


def fit_modes(
    target: Target, generator: np.random.Generator, best: Gaussians, maxima: list[LocalMaximum]
) -> tuple[np.ndarray, np.ndarray, np.ndarray, int]:
    """Batch and match from every local maximum; those that stay separate are the modes."""
    if len(maxima) < 2:
        return best.means, best.factors, best.elbo, 0
    local = Gaussians.start(
        np.stack([maximum.position for maximum in maxima]),
        np.stack([maximum.factor for maximum in maxima]),
    )
    batch_size = batch_size_for(target.dim)
    # Averaging steps from the first on: each must stay with its own mode.
    for iteration in range(24):
        local = batch_and_match_step(
            target, local, generator, batch_size, min(10.0, 20.0 / (iteration + 1.0))
        )
    num_diverged = int((~local.alive).sum())
    means = np.concatenate([best.means, local.means])
    factors = np.concatenate([best.factors, local.factors])
    elbo = np.concatenate([best.elbo, local.elbo])
    kept: list[int] = []
    for index in np.argsort(-elbo):
        if not np.isfinite(elbo[index]) or elbo[index] < elbo.max() - 9.0:
            continue
        mine = (means[index], factors[index])
        if all(are_separate(target, mine, (means[other], factors[other])) for other in kept):
            kept.append(int(index))
    return means[kept], factors[kept], elbo[kept], num_diverged
