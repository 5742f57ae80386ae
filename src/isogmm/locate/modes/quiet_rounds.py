"""How many rounds without a new mode end the search."""

from collections.abc import Sequence

from isogmm.locate.paths.maxima import LocalMaximum
from isogmm.locate.spheres.sphere_search import num_sphere_points
from isogmm.model.fit_target import FitTarget

#: Rounds without a new mode that end the search, below ``MIN_LARGE_DIM`` dimensions and from there
#: on.  After two rounds, 10 of 43 random targets lacked a mode, all with at least five dimensions;
#: after four, 7 of them did.  Of 60 others 8 lacked a mode with either number.
MAX_QUIET_ROUNDS, MAX_QUIET_ROUNDS_LARGE, MIN_LARGE_DIM = 2, 4, 5
#: The same where spheres are searched.  Of 26 random targets with several modes in ten or more
#: dimensions, all modes were found of 12 after four rounds without spheres, and of 16 after three
#: rounds with spheres.
MAX_QUIET_ROUNDS_SPHERES = 3
#: The same while paths from elsewhere reached one of the modes at most ``MAX_RARE_COUNT`` times:
#: other modes that are as hard to reach may be missing.
MAX_QUIET_ROUNDS_IF_RARE, MAX_RARE_COUNT = 6, 2
#: The same where spheres are searched, because few paths lead to the modes that these find.
MAX_QUIET_ROUNDS_SPHERES_IF_RARE = 4


def num_quiet_rounds(target: FitTarget, known: Sequence[LocalMaximum]) -> int:
    """The number of successive rounds without a new mode after which the search ends.

    Parameters
    ----------
    target
        The target.
    known
        The modes found so far.
    """
    is_rare = any(maximum.independent_count <= MAX_RARE_COUNT for maximum in known)
    if num_sphere_points(target):
        return MAX_QUIET_ROUNDS_SPHERES_IF_RARE if is_rare else MAX_QUIET_ROUNDS_SPHERES
    if is_rare:
        return MAX_QUIET_ROUNDS_IF_RARE
    return MAX_QUIET_ROUNDS_LARGE if target.dim >= MIN_LARGE_DIM else MAX_QUIET_ROUNDS
