"""Gaussian candidates at several places of an optimization path."""

import enum
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from isogmm.locate.gaussian.curvature import laplace_factor, laplace_scales
from isogmm.locate.gaussian.factors import Factor
from isogmm.locate.paths.lbfgs import Path
from isogmm.mixtures.affine_map import MAX_DENSE_DIM
from isogmm.model.target import Target


class Place(enum.Enum):
    """Where a Gaussian comes from; the value is stored as the attribute ``located_from``."""

    START = "start"
    TENTH = "10% of the path"
    QUARTER = "25% of the path"
    HALF = "50% of the path"
    END = "end of the path"
    CHAINS = "chains"
    LOW_RANK = "low-rank curvature at the mode"


#: Share of the iterates of a path before each place.
SHARES = {
    Place.START: 0.0,
    Place.TENTH: 0.1,
    Place.QUARTER: 0.25,
    Place.HALF: 0.5,
    Place.END: 1.0,
}
#: Places of the candidates of one path: all of them; those in the first quarter, before most paths
#: approach scale zero of a hierarchy; the single place whose candidates won most often.
ALL_PLACES = tuple(SHARES)
FIRST_QUARTER = (Place.START, Place.TENTH, Place.QUARTER)
BEST_SINGLE_PLACE = (Place.TENTH,)


class Candidate(NamedTuple):
    """A Gaussian N(mean, L Lᵀ) with its place; L is (d, d), or (d,) for standard deviations."""

    place: Place
    mean: Float[np.ndarray, " d"]
    factor: Factor


def candidates_from(
    target: Target, path: Path, places: tuple[Place, ...] = ALL_PLACES
) -> list[Candidate]:
    """The candidates of one path, with diagonal factors beyond ``MAX_DENSE_DIM`` dimensions.

    No single place serves every model.  The best candidates come from the start on funnels, from
    an early iterate on badly scaled hierarchies, and from the end on regressions.  At an early
    iterate of a hierarchy the scales of the groups are still wide; later ones are near zero.
    """
    return [
        candidate_at_end(target, path) if place is Place.END else _candidate_on(path, place)
        for place in places
    ]


def candidate_at_end(target: Target, path: Path) -> Candidate:
    """The Laplace approximation at the last iterate."""
    if target.dim > MAX_DENSE_DIM:
        factor = laplace_scales(target, path.end)
    else:
        factor = laplace_factor(target, path.end, path.end_factor())
    return Candidate(Place.END, path.end, factor)


def candidate_of(path: Path) -> Candidate:
    """The Gaussian of the BFGS estimate at the last iterate, which needs no evaluation.

    Beyond ``MAX_DENSE_DIM`` dimensions there is no estimate, and all standard deviations are one.
    """
    is_large = len(path.end) > MAX_DENSE_DIM
    return Candidate(Place.END, path.end, np.ones(len(path.end)) if is_large else path.end_factor())


def _candidate_on(path: Path, place: Place) -> Candidate:
    """The Gaussian of the BFGS estimate at an iterate; only ``START`` takes the first one."""
    last = len(path.positions) - 1
    index = 0 if place is Place.START else max(round(SHARES[place] * last), min(1, last))
    is_dense = path.positions.shape[1] <= MAX_DENSE_DIM
    factor = path.factor(index) if is_dense else path.scales(index)
    return Candidate(place, path.positions[index], factor)
