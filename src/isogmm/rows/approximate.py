"""The rounds that correct the surrogate: one pass over the data, then batch and match."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from isogmm.locate.gaussian.gaussians import Gaussians
from isogmm.locate.modes.local_gaussians import fit_until_flat
from isogmm.locate.options import Locate
from isogmm.locate.search import Search
from isogmm.model.fit_target import FitTarget
from isogmm.model.target import Target
from isogmm.rows.blocks import Blocks
from isogmm.rows.density import Expansion, RowDensity
from isogmm.rows.surrogate import (
    RADIUS_FACTOR,
    RADIUS_MARGIN,
    Correction,
    Surrogate,
    positive_definite,
)

#: Modes of the sample that are corrected; each needs a Hessian of all rows.
MAX_CENTERS = 16
#: Distance in standard deviations below which a local maximum belongs to a Gaussian of the search.
MIN_DISTANCE = 2.0
#: Log mass below that of the best mode, in nats, from which on a mode is left out: the
#: first number, plus this share of the rise of the log density from the center to the mode, which
#: the expansion predicts with an error of third order.
MAX_MASS_GAP, RISE_SHARE = 50.0, 0.1
#: Rounds end when no center moves by this distance times √d, in standard deviations.  The error of
#: the surrogate is of third order in it.  The noise of batch and match is 0.4 for d = 20.
MAX_SHIFT = 0.2
#: Fractions of a Newton step that are compared.
STEP_FRACTIONS = (1.0, 0.5, 0.25, 0.1, 0.0)
#: Largest number of rounds.  Two are enough where the posterior of the sample is nearly Gaussian.
MAX_ROUNDS = 6


@dataclass(frozen=True)
class Approximation:
    """The surrogate after the last round.

    Parameters
    ----------
    target
        The surrogate.
    correction
        Its correction at the modes whose mass may be comparable with that of the best one; None if
        the log density of all rows is not finite at any mode of the sample.
    num_modes
        Number of modes of the sample's posterior.
    of_rows
        The sum over all rows at the centers of the correction.
    """

    target: Target
    correction: Correction | None
    num_modes: int
    of_rows: Expansion | None = None


# Numerical trouble is in the verdict; NumPy's own warnings name lines of this library.
@np.errstate(over="ignore", invalid="ignore", divide="ignore")
def approximate(
    surrogate: Surrogate,
    density: RowDensity,
    blocks: Blocks,
    sample: list[np.ndarray],
    generator: np.random.Generator,
) -> Approximation:
    """Find the modes of the sample's posterior, and correct the surrogate around each of them.

    Each round needs one pass over the data.  Modes with a small mass in the sample take part in the
    first round, too: the log masses of the sample have errors of the order of n / √m nats, for n
    rows of which the sample has m.

    Parameters
    ----------
    surrogate, density
        The surrogate and the log density of all rows.
    blocks
        The data, after their first pass.
    sample
        The sample of the surrogate.
    generator
        Random numbers.
    """
    plain = surrogate.target(Correction.none(surrogate.dim))
    found = _modes(plain, generator)
    centers = found[:MAX_CENTERS]
    for _ in range(MAX_ROUNDS):
        latest = _corrected(centers, density, blocks, sample)
        is_relevant = latest.are_relevant()
        if not is_relevant.any():
            return Approximation(plain, None, len(found))
        correction, steps = latest.correction.take(is_relevant), latest.steps[is_relevant]
        centers = correction.centers
        means = np.stack(
            [
                _moved(surrogate, correction.take(slice(i, i + 1)), steps[i], generator)
                for i in range(len(centers))
            ]
        )
        shifts = np.diagonal(correction.distances(means))
        if shifts.max() < MAX_SHIFT * np.sqrt(surrogate.dim):
            break
        centers = means
    of_rows = latest.of_rows.take(is_relevant)
    return Approximation(surrogate.target(correction), correction, len(found), of_rows)


def _moved(
    surrogate: Surrogate,
    correction: Correction,
    step: Float[np.ndarray, " d"],
    generator: np.random.Generator,
) -> Float[np.ndarray, " d"]:
    """The mean of a Gaussian that batch and match fits to the surrogate of one center."""
    target, center = surrogate.target(correction), correction.centers[0]
    points = center + np.array(STEP_FRACTIONS)[:, None] * step
    start = points[target.values(points).argmax()]
    gaussian = Gaussians.start(start[None], correction.factors())
    fitted = fit_until_flat(target, generator, gaussian)
    return fitted.means[0] if fitted.alive[0] else center


def _modes(target: Target, generator: np.random.Generator) -> Float[np.ndarray, "m d"]:
    """Means of the Gaussians of a search, then all other local maxima that it has found."""
    search = Search(FitTarget.of(target), generator, Locate())
    found = list(search.run().means)
    for maximum in sorted(search.maxima, key=lambda maximum: -maximum.log_mass):
        if not any(maximum.is_within(center, MIN_DISTANCE) for center in found):
            found.append(maximum.position)
    return np.stack(found)


@dataclass(frozen=True)
class _Round:
    """What a pass over the data says about some centers.

    Parameters
    ----------
    correction
        The correction.
    of_rows
        The sum over all rows.
    steps
        (m, d): Newton steps from the centers.
    log_masses, rises
        (m,): Laplace's estimates after these steps, and the predicted rises of the log density.
    """

    correction: Correction
    of_rows: Expansion
    steps: Float[np.ndarray, "m d"]
    log_masses: Float[np.ndarray, " m"]
    rises: Float[np.ndarray, " m"]

    def are_relevant(self) -> Bool[np.ndarray, " m"]:
        """Whether the mass of each mode may be comparable with that of the best one."""
        best = int(np.argmax(self.log_masses))
        gap = MAX_MASS_GAP + RISE_SHARE * (self.rises + self.rises[best])
        is_near = self.log_masses > self.log_masses[best] - gap
        return is_near & np.isfinite(self.log_masses)


def _corrected(
    centers: Float[np.ndarray, "m d"],
    density: RowDensity,
    blocks: Blocks,
    sample: list[np.ndarray],
) -> _Round:
    """One pass over the data."""
    rows = density.expansion(centers, blocks)
    own = density.expansion(centers, blocks.split(sample))
    prior = density.prior_expansion(centers)
    assert blocks.num_rows is not None
    scale = blocks.num_rows / len(sample[0])
    with np.errstate(invalid="ignore"):
        difference = Expansion(*(f - scale * s for f, s in zip(rows, own, strict=True)))
        whole = Expansion(*(f + p for f, p in zip(rows, prior, strict=True)))
    numbers = [part.reshape(len(centers), -1) for part in (*difference, *whole)]
    is_finite = np.isfinite(np.concatenate(numbers, axis=1)).all(axis=1)
    unit = np.eye(centers.shape[1])
    precisions = positive_definite(np.where(is_finite[:, None, None], -whole.hessians, unit))
    gradients = np.where(is_finite[:, None], whole.gradients, 0.0)
    steps = np.linalg.solve(precisions, gradients[:, :, None])[:, :, 0]
    rises = 0.5 * (gradients * steps).sum(axis=1)
    log_masses = whole.values + rises - 0.5 * np.linalg.slogdet(precisions)[1]
    radii = RADIUS_FACTOR * (np.sqrt(len(unit)) + RADIUS_MARGIN + np.sqrt(2.0 * rises))
    correction = Correction(centers, difference, precisions, radii)
    return _Round(correction, rows, steps, np.where(is_finite, log_masses, -np.inf), rises)
