"""Local maxima at the ends of optimization paths, and one Gaussian for each separate mode."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from isogmm.arrays import LOG_2PI
from isogmm.locate.batch_and_match import batch_and_match_step, batch_size_for
from isogmm.locate.candidates import candidate_at_end
from isogmm.locate.factors import Factor, log_det, standardize
from isogmm.locate.gaussians import Gaussians
from isogmm.locate.paths import Path
from isogmm.model.target import Target

#: Distance between two means below which they belong to one mode, in standard deviations.
MIN_MODE_DISTANCE_SD = 2.0
#: A path ends early if an iterate is closer than this to a known maximum, in standard deviations,
#: and its log density is lower by less than this number of nats.
MAX_KNOWN_DISTANCE_SD, MAX_KNOWN_DEFICIT_NATS = 1.0, 1.0
#: Root mean square of the gradient at a local maximum, in units of its standard deviations.
MAX_STANDARDIZED_GRADIENT = 0.05
#: Dip of the log density between the means of two modes, in nats, and the number of points on the
#: line between them where it is evaluated.
MIN_DIP_NATS, NUM_LINE_POINTS = 1.0, 17
#: Iterations of batch and match for each mode, and its damping min(first, second / (t + 1)).
NUM_MODE_ITERATIONS, MAX_MODE_DAMPING, MODE_DAMPING = 24, 10.0, 20.0
#: Largest difference between the ELBO of a mode and that of the best one, in nats.
MAX_MODE_ELBO_GAP = 9.0


@dataclass
class LocalMaximum:
    """A local maximum of the log density with its Laplace approximation.

    Parameters
    ----------
    position, log_density
        The maximum.
    factor
        Factor L of the inverse Hessian of -log π.
    log_mass
        Laplace estimate log π(x) + d/2 log 2π + log det L of the log mass of the mode.
    count
        Number of starting points whose paths ended here.
    """

    position: Float[np.ndarray, " d"]
    factor: Factor
    log_density: float
    log_mass: float
    count: int = 1

    def distance(self, position: Float[np.ndarray, " d"]) -> float:
        """‖L⁻¹ (x - m)‖, in standard deviations."""
        shift = standardize(self.factor, position - self.position)
        return float(np.sqrt((shift**2).sum()))

    def is_near(self, position: Float[np.ndarray, " d"], log_density: float) -> bool:
        """Whether a path with this iterate is likely to end here.

        An iterate above the maximum belongs to another, higher one.
        """
        deficit = self.log_density - log_density
        is_close = 0.0 <= deficit < MAX_KNOWN_DEFICIT_NATS
        return is_close and self.distance(position) < MAX_KNOWN_DISTANCE_SD


class ModeGaussians(NamedTuple):
    """One Gaussian for each mode, best first, and the number of candidates that diverged."""

    means: Float[np.ndarray, "m d"]
    factors: Float[np.ndarray, "m d d"] | Float[np.ndarray, "m d"]
    elbo: Float[np.ndarray, " m"]
    num_diverged: int


def is_near_any(
    maxima: Sequence[LocalMaximum], position: Float[np.ndarray, " d"], log_density: float
) -> bool:
    """Whether a path with this iterate is likely to end at one of the maxima."""
    return any(maximum.is_near(position, log_density) for maximum in maxima)


def add_path(target: Target, maxima: list[LocalMaximum], path: Path) -> bool:
    """Add the end of a path to the maxima, or count it with one of them; True if it is new.

    An end with a large gradient is no maximum and is left out.  Such ends occur near scale zero of
    a hierarchy, or in a direction in which the density is improper.
    """
    end = path.end
    for maximum in maxima:
        if maximum.distance(end) < MIN_MODE_DISTANCE_SD:
            maximum.count += 1
            return False
    factor = candidate_at_end(target, path).factor
    gradient = path.gradients[-1]
    slope = factor * gradient if factor.ndim == 1 else gradient @ factor
    if np.sqrt((slope**2).sum()) > MAX_STANDARDIZED_GRADIENT * np.sqrt(len(end)):
        return False
    log_density = float(path.log_density[-1])
    log_mass = log_density + 0.5 * len(end) * LOG_2PI + log_det(factor)
    maxima.append(LocalMaximum(end, factor, log_density, float(log_mass)))
    return True


def unseen_probability(maxima: Sequence[LocalMaximum]) -> float:
    """Good-Turing estimate of the probability that the next path ends in a new mode.

    The share of starting points whose mode no other starting point has found (Good 1953).
    """
    total = sum(maximum.count for maximum in maxima)
    return sum(maximum.count == 1 for maximum in maxima) / total if total else 0.0


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
    log_density, _ = target.evaluate(first[0] + fractions * shift)
    lower_end = min(log_density[0], log_density[-1])
    return bool(log_density[1:-1].min() < lower_end - MIN_DIP_NATS)


def fit_modes(
    target: Target,
    generator: np.random.Generator,
    best: Gaussians,
    maxima: Sequence[LocalMaximum],
) -> ModeGaussians:
    """Run batch and match from every local maximum, and keep one Gaussian for each mode.

    The best Gaussian competes with those of the maxima.  Of Gaussians that are not separate, the
    one with the highest ELBO is kept.
    """
    if len(maxima) < 2:
        return ModeGaussians(best.means, best.factors, best.elbo, 0)
    local = Gaussians.start(
        np.stack([maximum.position for maximum in maxima]),
        np.stack([maximum.factor for maximum in maxima]),
    )
    batch_size = batch_size_for(target.dim)
    # The damping averages over batches from the first iteration, so that each Gaussian stays in
    # its own mode.
    for iteration in range(NUM_MODE_ITERATIONS):
        strength = min(MAX_MODE_DAMPING, MODE_DAMPING / (iteration + 1.0))
        local = batch_and_match_step(target, local, generator, batch_size, strength)
    means = np.concatenate([best.means, local.means])
    factors = np.concatenate([best.factors, local.factors])
    elbo = np.concatenate([best.elbo, local.elbo])
    kept: list[int] = []
    for index in np.argsort(-elbo):
        if not np.isfinite(elbo[index]) or elbo[index] < elbo.max() - MAX_MODE_ELBO_GAP:
            continue
        candidate = (means[index], factors[index])
        if all(are_separate(target, candidate, (means[other], factors[other])) for other in kept):
            kept.append(int(index))
    return ModeGaussians(means[kept], factors[kept], elbo[kept], int((~local.alive).sum()))
