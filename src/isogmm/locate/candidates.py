"""Gaussian candidates from optimization paths: the start, points on the way, the end."""

import numpy as np

from isogmm.locate.curvature import laplace_factor, laplace_scales
from isogmm.locate.paths import DENSE_LIMIT, Path, factor_of, inverse_hessian
from isogmm.model.target import Target

#: Where along a path candidates are put, as shares of its length: everywhere, where they do not
#: lie in the spike that caught the path, and at the one place that served most often.
EVERYWHERE, BEGINNING, EARLY = (0.0, 0.1, 0.25, 0.5, 1.0), (0.0, 0.1, 0.25), (0.1,)
#: Where it comes from, its mean (d,) and its factor (d, d) or standard deviations (d,).
Candidate = tuple[str, np.ndarray, np.ndarray]


def candidates_from(
    target: Target, path: Path, places: tuple[float, ...] = EVERYWHERE
) -> list[Candidate]:
    """The candidates of one path.

    No single place serves every model: the start does on funnels, an early point on badly
    scaled hierarchies (where the scales of the groups are still wide; later points lie in the
    spike at scale zero), the end on regressions.
    """
    end, last = path.end, len(path.positions) - 1
    if len(end) > DENSE_LIMIT:
        return [("end of the path", end, laplace_scales(target, end))]
    found = []
    for place in places:
        if place == 1.0:
            factor = laplace_factor(target, end, path.guess())
            found.append(("end of the path", end, factor))
            continue
        index = max(round(place * last), min(1, last)) if place else 0
        factor = factor_of(inverse_hessian(path, index))
        name = f"{place:.0%} of the path" if place else "start"
        found.append((name, path.positions[index], factor))
    return found
