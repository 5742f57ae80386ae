"""Modes that the HMC chains of a fit reached although its search had not found them."""

import numpy as np
from jaxtyping import Float, Int

from isogmm.locate.located import Located, SearchEnd
from isogmm.locate.modes.extend import new_maxima
from isogmm.locate.paths.maxima import LocalMaximum
from isogmm.mixtures.abstract import AbstractMixture
from isogmm.model.fit_target import FitTarget
from isogmm.recipe.delivery.deliver import Delivery
from isogmm.results.interruption import interruptible

#: Numbers of chains whose last positions are tested: those that the mixture explains least, and
#: others.  On a banana in 18 dimensions one of 384 chains reached a mode of mass 0.7.  On a target
#: in d = 25 the chains that the mixture explained least were in one of three unknown modes.
NUM_LEAST_EXPLAINED, NUM_OTHERS = 8, 16


def modes_of_chains(
    target: FitTarget, delivery: Delivery, located: Located | None, mixture: AbstractMixture
) -> list[LocalMaximum]:
    """Local maxima near the chains, separate from those of the search.

    Paths start from the last positions of some chains: those with the largest log π - log q, and
    others that are evenly spaced in the order of this ratio.

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
    with interruptible(target, has_result=True):
        return new_maxima(target, ends[chains_to_test(ratios)], located.maxima, mixture.affine_map)
    return []


def chains_to_test(log_ratios: Float[np.ndarray, " m"]) -> Int[np.ndarray, " k"]:
    """Indices of the chains whose positions are tested, by log π - log q of each."""
    order = np.argsort(-log_ratios)
    others = np.linspace(NUM_LEAST_EXPLAINED, len(order) - 1, NUM_OTHERS).astype(int)
    ranks = np.unique([*range(NUM_LEAST_EXPLAINED), *others])
    return order[ranks[ranks < len(order)]]
