"""Modes that the search has missed, from the HMC chains of a fit and from paths after it."""

from dataclasses import replace

import numpy as np
from jaxtyping import Float, Int

from isogmm.locate.extend import new_maxima
from isogmm.locate.factors import map_of
from isogmm.locate.last_screening import screen_again
from isogmm.locate.located import Located, SearchEnd
from isogmm.locate.maxima import LocalMaximum
from isogmm.mixtures.abstract import AbstractMixture
from isogmm.mixtures.affine_map import MAX_DENSE_DIM, AffineMap
from isogmm.model.fit_target import FitTarget
from isogmm.recipe.context import FitContext
from isogmm.recipe.deliver import Delivery
from isogmm.results.interruption import interruptible

#: Numbers of chains whose last positions are tested: those that the mixture explains least, and
#: others.  On a banana in 18 dimensions one of 384 chains reached a mode of mass 0.7.  On a target
#: in d = 25 the chains that the mixture explained least were in one of three unknown modes.
NUM_LEAST_EXPLAINED, NUM_OTHERS = 8, 16
#: Share of the gradients of a fit that the search after it may cost.
SCREENING_SHARE = 0.04
#: Smallest number of draws of a mode, for each dimension, whose covariance is used.
MIN_DRAWS_PER_DIM = 4


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
    if refined is None or located is None or not _is_complete(delivery, located):
        return []
    ends = refined.draws[:, -1]
    ratios = refined.log_density[:, -1] - mixture.pooled().log_prob(ends)
    with interruptible(target, has_result=True):
        return new_maxima(target, ends[chains_to_test(ratios)], located.maxima, mixture.affine_map)
    return []


def modes_after_fit(
    context: FitContext, delivery: Delivery, located: Located | None
) -> tuple[list[LocalMaximum], Located | None]:
    """Local maxima of a last search around the draws, and the search with its costs included.

    Parameters
    ----------
    context
        What all stages share.
    delivery
        The delivered draws.
    located
        The result of the search, or None.
    """
    target = context.target
    if located is None or not _is_complete(delivery, located) or not target.has_gradient:
        return [], located
    maps = _maps_of_draws(delivery)
    if not maps or target.dim > MAX_DENSE_DIM:
        return [], located
    num_gradients = int(SCREENING_SHARE * context.costs.num_gradients)
    with interruptible(target):
        last = screen_again(target, context.generator, located.maxima, maps, num_gradients)
        sources = {**located.num_starts, "after the fit": last.num_paths}
        return last.maxima, replace(
            located,
            num_starts=sources,
            num_screened=located.num_screened + last.num_points,
            num_since_new=located.num_since_new + last.num_paths,
        )
    return [], located


def _is_complete(delivery: Delivery, located: Located) -> bool:
    """Whether neither the search nor the delivery was limited or interrupted."""
    if delivery.stop_reason or located.stop_reason:
        return False
    return located.end in (SearchEnd.ONE_MODE, SearchEnd.NO_NEW_MODE)


def _maps_of_draws(delivery: Delivery) -> list[AffineMap]:
    """Mean and Cholesky factor of the covariance of the draws of every mode."""
    positions = delivery.selection.positions.astype(np.float64)
    dim, found = positions.shape[-1], []
    for mode in np.unique(delivery.modes):
        members = positions[delivery.modes == mode]
        if len(members) < MIN_DRAWS_PER_DIM * dim:
            continue
        # The factor comes from the scaled draws, whose units may differ by many orders.
        sds = members.std(axis=0)
        if not np.all(sds > 0):
            continue
        correlation = np.corrcoef(members, rowvar=False).reshape(dim, dim)
        try:
            factor = sds[:, None] * np.linalg.cholesky(correlation)
        except np.linalg.LinAlgError:
            continue
        found.append(map_of(members.mean(axis=0), factor))
    return found


def chains_to_test(log_ratios: Float[np.ndarray, " m"]) -> Int[np.ndarray, " k"]:
    """Indices of the chains whose positions are tested, by log π - log q of each."""
    order = np.argsort(-log_ratios)
    others = np.linspace(NUM_LEAST_EXPLAINED, len(order) - 1, NUM_OTHERS).astype(int)
    ranks = np.unique([*range(NUM_LEAST_EXPLAINED), *others])
    return order[ranks[ranks < len(order)]]
