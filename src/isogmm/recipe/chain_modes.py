"""Modes that the HMC chains of a fit reached although its search had not found them."""

import numpy as np

from isogmm.locate.extend import new_maxima
from isogmm.locate.located import Located, SearchEnd
from isogmm.locate.maxima import LocalMaximum
from isogmm.mixtures.abstract import AbstractMixture
from isogmm.model.fit_target import FitTarget
from isogmm.recipe.deliver import Delivery
from isogmm.results.interruption import interruptible

#: Number of chains whose last positions are tested: those that the mixture explains least.  On a
#: banana in 18 dimensions one of 384 chains reached a mode of mass 0.7.
NUM_TESTED = 8


def modes_of_chains(
    target: FitTarget, delivery: Delivery, located: Located | None, mixture: AbstractMixture
) -> list[LocalMaximum]:
    """Local maxima near the chains, separate from those of the search.

    Paths start from the last positions with the largest log π - log q.

    Parameters
    ----------
    target
        The target.
    delivery
        The delivered draws, with the HMC chains or without.
    located
        The result of the search, or None.
    mixture
        The mixture of every chain of the fit.
    """
    refined = delivery.refined
    if refined is None or located is None or delivery.stop_reason or located.stop_reason:
        return []
    if located.end not in (SearchEnd.ONE_MODE, SearchEnd.NO_NEW_MODE):
        return []
    ends = refined.draws[:, -1]
    ratios = refined.log_density[:, -1] - mixture.pooled().log_prob(ends)
    tested = ends[np.argsort(-ratios)[:NUM_TESTED]]
    with interruptible(target):
        return new_maxima(target, tested, located.maxima, mixture.affine_map)
    return []
