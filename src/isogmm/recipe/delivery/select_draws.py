"""Draws for delivery: selected from a pool of the mixture, or from the recording of HMC chains."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from isogmm.draws.balanced_subset import balanced_subset
from isogmm.draws.chains.recording import States
from isogmm.draws.evidence import Evidence, regions_of
from isogmm.draws.importance import chosen
from isogmm.draws.pool import Pool
from isogmm.draws.refine import Refined
from isogmm.draws.stein import stein_weights
from isogmm.mixtures.abstract import AbstractMixture
from isogmm.results.labeling.labels import DrawSource

#: Largest standard error of a mass with which draws are weighted.
MAX_USABLE_MASS_SE = 0.25


class Selection(NamedTuple):
    """Selected draws.

    Axes: c chains, n draws, d coordinates.

    Parameters
    ----------
    source
        Where the draws come from.
    positions, log_density, components
        (c, n, d), (c, n), (c, n); a draw of an HMC chain belongs to the component with the
        largest responsibility.
    log_weights
        (c, n), normalized over all draws: importance weights where the draws of the mixture are
        delivered as they are, equal otherwise.
    """

    source: DrawSource
    positions: Float[np.ndarray, "c n d"]
    log_density: Float[np.ndarray, "c n"]
    components: Int[np.ndarray, "c n"]
    log_weights: Float[np.ndarray, "c n"]


def from_mixture(pool: Pool, log_weights: Float[np.ndarray, " cn"], draws: int) -> Selection:
    """Draws of the mixture as they are, in strata over the components.

    Draws outside the support are left out.
    """
    usable = ~np.isneginf(pool.log_density)
    index = np.stack(
        [
            _in_strata(components, good, draws)
            for components, good in zip(pool.components, usable, strict=True)
        ]
    )
    kept = _taken(log_weights.reshape(usable.shape), index)
    with np.errstate(all="ignore"):
        kept = kept - (kept.max() + np.log(np.exp(kept - kept.max()).sum()))
    return _selected(pool, index, DrawSource.MIXTURE, kept if np.isfinite(kept).all() else None)


def by_weights(
    pool: Pool,
    log_weights: Float[np.ndarray, " cn"],
    draws: int,
    generator: np.random.Generator,
    *,
    may_repeat: bool = False,
) -> Selection:
    """Draws of the mixture chosen with probabilities proportional to their weights.

    The draws are chosen in the order of one coordinate.  In every interval of this coordinate the
    number of chosen draws then differs from its expectation by less than one or two.
    """
    weights = log_weights.reshape(pool.log_density.shape)
    column = _coordinate_of_weights(pool, log_weights)
    order = np.argsort(pool.positions[..., column], axis=1)
    index = np.stack(
        [
            members[chosen(part[members], draws, generator, may_repeat=may_repeat)]
            for part, members in zip(weights, order, strict=True)
        ]
    )
    return _selected(pool, index, DrawSource.IMPORTANCE)


def _coordinate_of_weights(pool: Pool, log_weights: Float[np.ndarray, " cn"]) -> int:
    """The coordinate with the largest correlation between weights and distances from its mean."""
    positions = pool.positions.reshape(len(log_weights), -1)
    weights = np.exp(log_weights - log_weights.max())
    distances = np.abs(positions - positions.mean(axis=0))
    distances -= distances.mean(axis=0)
    with np.errstate(all="ignore"):
        correlations = (weights - weights.mean()) @ distances / np.linalg.norm(distances, axis=0)
    return int(np.argmax(np.nan_to_num(np.abs(correlations))))


def _selected(
    pool: Pool,
    index: Int[np.ndarray, "c n"],
    source: DrawSource,
    log_weights: Float[np.ndarray, "c n"] | None = None,
) -> Selection:
    """The draws with these indices; equal weights unless given."""
    chains, size = pool.log_density.shape
    is_whole = index.shape[1] == size and bool(np.all(index == np.arange(size)))
    return Selection(
        source,
        # Without a copy of all draws where that is possible.
        pool.positions if is_whole else pool.positions[np.arange(chains)[:, None], index],
        _taken(pool.log_density, index),
        _taken(pool.components, index),
        np.full(index.shape, -np.log(index.size)) if log_weights is None else log_weights,
    )


def _taken(values: np.ndarray, index: Int[np.ndarray, "c n"]) -> np.ndarray:
    return np.take_along_axis(values, index, axis=1)


def _in_strata(
    components: Int[np.ndarray, " n"], usable: Bool[np.ndarray, " n"], draws: int
) -> Int[np.ndarray, " m"]:
    """Indices of usable draws, every component with its share, in the order of the pool."""
    good = np.flatnonzero(usable)
    if not len(good):
        good = np.arange(len(usable))
    if draws >= len(good):
        return np.resize(good, draws)
    by_component = good[np.argsort(components[good], kind="stable")]
    levels = (np.arange(draws) + 0.5) / draws * len(good)
    return np.sort(by_component[levels.astype(int)])


def from_chains(
    refined: Refined,
    mixture: AbstractMixture,
    component_modes: Int[np.ndarray, "c k"],
    evidence: Evidence,
    draws: int,
    generator: np.random.Generator,
) -> Selection:
    """Draws of HMC chains: of each mode as many as its mass.

    The states of the chains get weights with which functions of known mean have this mean (see
    :func:`isogmm.draws.stein.stein_weights`), and the draws are chosen so that their marginals
    are those of the weighted states.  The HMC chains that started from one fit stay together,
    the draws of one chain one after another: R-hat then compares the fits, and effective sample
    sizes see the autocorrelation.
    """
    fits, dim = len(mixture.means), mixture.dim
    states = refined.states
    shape = states.log_density.shape
    positions = states.positions.reshape(-1, dim)
    regions, masses = _regions(positions, mixture, component_modes, evidence)
    weights = _weights(states, regions.reshape(shape), masses).ravel()
    # Intervals of the order by modes hold draws of one mode each, except at most one per mode.
    parts = [
        part[np.argsort(regions[part], kind="stable")]
        for part in np.split(np.arange(len(positions)), fits)
    ]
    chosen_states = balanced_subset(positions, weights, parts, draws, generator)
    index = np.sort(np.stack(chosen_states), axis=1)
    components = np.stack(
        [mixture[fit].most_responsible(positions[index[fit]]) for fit in range(fits)]
    )
    return Selection(
        DrawSource.CHAINS,
        positions[index],
        states.log_density.ravel()[index],
        components,
        np.full(components.shape, -np.log(components.size)),
    )


def _regions(
    positions: Float[np.ndarray, "n d"],
    mixture: AbstractMixture,
    component_modes: Int[np.ndarray, "c k"],
    evidence: Evidence,
) -> tuple[Int[np.ndarray, " n"], Float[np.ndarray, " r"] | None]:
    """The mode of each position, and the masses of the modes.

    There are no masses if there is one mode, or if they are not known well: weights could leave
    the draws of one mode only.
    """
    if len(evidence.log_masses) < 2:
        return np.zeros(len(positions), dtype=int), None
    regions = regions_of(positions, mixture.pooled(), component_modes.ravel())
    is_known = np.max(evidence.shares_se) <= MAX_USABLE_MASS_SE
    return regions, evidence.shares if is_known else None


def _weights(
    states: States, regions: Int[np.ndarray, "m s"], masses: Float[np.ndarray, " r"] | None
) -> Float[np.ndarray, "m s"]:
    """Weight of each state: the mass of its mode over the share of states in it, calibrated.

    The modes are calibrated one by one, which keeps their masses.
    """
    result = np.zeros(regions.shape)
    for region in np.unique(regions):
        weights = (regions == region).astype(float)
        if states.points is not None and states.gradients is not None:
            weights = stein_weights(states.points, states.gradients, weights)
        share = weights.sum() / regions.size
        result += weights * (1.0 if masses is None else masses[region] / share)
    return result
