"""A search for further modes after a fit, with a small share of the gradients of the fit.

The search before a fit knows the modes by their curvature only, and while it knows one mode it
follows few paths.  After a fit, the covariance of the draws is known, and a share of the cost of
the fit pays for more paths than the search could afford.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from isogmm.locate.extend import new_maxima
from isogmm.locate.maxima import LocalMaximum
from isogmm.locate.paths import follow_paths
from isogmm.locate.screening import choose_starts, points_around
from isogmm.locate.starts import dispersed_positions, prior_positions
from isogmm.mixtures.affine_map import AffineMap
from isogmm.model.fit_target import FitTarget

#: Shares of the gradients: points around the draws, paths from these points, and short paths from
#: the prior or from the starting points of the model.  The rest is for those that are continued.
POINT_SHARE, PATH_SHARE, SHORT_SHARE = 0.3, 0.3, 0.25
#: Smallest number of evaluations of a path, and paths that are followed together.
MIN_PATH_EVALUATIONS, GROUP_SIZE = 8, 16
#: Evaluations of a short path, and one in how many short paths is continued: those with the highest
#: log density.  The peak of a periodogram that one of 300 starts reaches stands out after a few
#: steps, but not in the log density of the starting points.
SHORT_EVALUATIONS, CONTINUED = 8, 8
#: Smallest number of points around the draws of one mode; with fewer gradients, a random selection
#: of the modes is screened.
MIN_POINTS = 128


@dataclass(frozen=True)
class LastScreening:
    """The result of a search after a fit.

    Parameters
    ----------
    maxima
        Local maxima that are separate from all known ones.
    num_points, num_paths
        Number of points that were evaluated once, and of paths.
    """

    maxima: list[LocalMaximum]
    num_points: int
    num_paths: int


def screen_again(
    target: FitTarget,
    generator: np.random.Generator,
    known: Sequence[LocalMaximum],
    maps: Sequence[AffineMap],
    num_gradients: int,
) -> LastScreening:
    """Screen points around the draws of every mode, and follow paths from the prior.

    Parameters
    ----------
    target, generator
        The target, and random numbers.
    known
        The local maxima of the search.
    maps
        The coordinates of the draws of every mode: mean and Cholesky factor of the covariance.
    num_gradients
        Number of gradients that the search may cost, about.
    """
    first = target.num_gradient_evaluations
    found: list[LocalMaximum] = []
    num_paths = 0

    def follow(starts: Float[np.ndarray, "n d"], own: AffineMap | None, share: float) -> None:
        """Paths in groups until this share of the gradients is spent, in all."""
        nonlocal num_paths
        for begin in range(0, len(starts), GROUP_SIZE):
            if target.num_gradient_evaluations - first >= share * num_gradients:
                return
            group = starts[begin : begin + GROUP_SIZE]
            found.extend(new_maxima(target, group, [*known, *found], own))
            num_paths += len(group)

    count = max(1, min(len(maps), int(POINT_SHARE * num_gradients) // MIN_POINTS))
    num_points = int(POINT_SHARE * num_gradients) // count
    most = max(int(PATH_SHARE * num_gradients) // (count * MIN_PATH_EVALUATIONS), 1)
    chosen = generator.choice(len(maps), count, replace=False)
    for rank, own in enumerate((maps[i] for i in chosen), start=1):
        points = points_around(own, generator, num_points)
        values = target.evaluate(points)
        index = choose_starts(maps, own, points, *values, most, generator)
        share = (POINT_SHARE + PATH_SHARE) * rank / count
        follow(points[generator.permutation(index)], own, share)
    num_short = max(int(SHORT_SHARE * num_gradients) // SHORT_EVALUATIONS, 1)
    follow(_short_paths(target, generator, num_short), None, 1.0)
    return LastScreening(found, num_points * count, num_paths + num_short)


def _short_paths(
    target: FitTarget, generator: np.random.Generator, count: int
) -> Float[np.ndarray, "n d"]:
    """The highest ends of short paths from draws of the prior, or from starting points."""
    draw = dispersed_positions if target.prior_positions is None else prior_positions
    starts = draw(target, generator, count)
    paths = follow_paths(target, starts, SHORT_EVALUATIONS)
    followed = [path for path in paths if path is not None]
    followed.sort(key=lambda path: -path.log_density[-1])
    highest = followed[: -(-count // CONTINUED)]
    return np.array([path.end for path in highest]).reshape(-1, target.dim)
