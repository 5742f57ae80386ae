"""Which draws the user gets: the mixture's own, reweighted ones, or those of refining chains."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int

from isogmm.draws.agreement import Agreement
from isogmm.draws.evidence import Evidence, evidence_by_mode, modes_of_components, regions_of
from isogmm.draws.importance import chosen, pool_factor, systematic, tempered
from isogmm.draws.pool import Pool, draw_pool
from isogmm.draws.refine import Refine, Refined, refine
from isogmm.model.target import Target
from isogmm.optimize.loop import OptimizeResult
from isogmm.recipe.options import Options
from isogmm.recipe.verdict import FLAT_ESS, PARETO_K, REWEIGHT_ESS, REWEIGHT_K
from isogmm.results.arviz_versions import psis
from isogmm.results.stop_reason import StopReason

#: Coordinates that a pool to choose draws from may hold: a third of a gigabyte, and some times
#: that on the way.
POOL_NUMBERS = 40_000_000


@dataclass
class Delivery:
    """The delivered draws and what was learned on the way to them.

    Axes: c chains, n draws, d coordinates, k components, r modes.

    Parameters
    ----------
    source
        ``mixture``, ``importance`` or ``chains``.
    positions, log_density, components, modes
        (c, n, d), (c, n), (c, n), (c, n); a draw of a chain belongs to the component most
        responsible for it.
    log_weights
        (c, n), normalized over all draws: those of importance where the mixture's own draws are
        delivered, equal otherwise (chosen and refined draws need no further weight).
    pareto_k, relative_ess
        From the larger pool where there was one.
    evidence
        From the pool, and by bridge sampling where chains ran.
    component_modes
        (c, k): the mode of every component.
    refined
        The chains, or None.
    interruption
        What cut the refinement off (Ctrl-C or the time limit), or None.
    """

    source: str
    positions: Float[np.ndarray, "c n d"]
    log_density: Float[np.ndarray, "c n"]
    components: Int[np.ndarray, "c n"]
    modes: Int[np.ndarray, "c n"]
    log_weights: Float[np.ndarray, "c n"]
    pareto_k: float
    relative_ess: float
    evidence: Evidence
    component_modes: Int[np.ndarray, "c k"]
    refined: Refined | None
    interruption: KeyboardInterrupt | None = None


def deliver(
    target: Target,
    optimized: OptimizeResult,
    centers: Float[np.ndarray, "m d"] | None,
    pool: Pool,
    options: Options,
    generator: np.random.Generator,
) -> Delivery:
    """Refine where the mixture's own draws are not good enough, else choose among them."""
    mixture = optimized.mixture
    component_modes = modes_of_components(mixture, centers)
    log_weights, k, relative_ess = weigh(pool)
    # Its draws are in strata over the components; the first of a larger pool would not be.
    own = pool, log_weights
    ended_early = optimized.stop_reason in (StopReason.INTERRUPTED, StopReason.MAX_SECONDS)
    refined, interruption, is_large = None, None, False
    try:
        if _could_reweight(k, relative_ess) and relative_ess <= FLAT_ESS and not ended_early:
            # A pool large enough to choose from also says whether the first k was luck.
            pool = _large_pool(target, mixture, pool, log_weights, options, generator)
            log_weights, k, relative_ess = weigh(pool)
            is_large = True
        pool_modes = np.take_along_axis(component_modes, pool.components, axis=1).ravel()
        if options.refine != 0 and not ended_early and np.isfinite(pool.log_ratios).any():
            allowed = isinstance(options.refine, Refine) and options.importance is not False
            could_do = allowed and _could_reweight(k, relative_ess)
            is_enough = Agreement(pool, log_weights) if could_do else None
            refined = _run_chains(target, mixture, pool, pool_modes, options, generator, is_enough)
    except KeyboardInterrupt as stop:
        interruption = stop
    pool_modes = np.take_along_axis(component_modes, pool.components, axis=1).ravel()
    evidence = evidence_by_mode(pool, pool_modes, refined, mixture, component_modes)
    if refined is not None:
        found = (k, relative_ess)
        return _from_chains(refined, mixture, component_modes, evidence, found, options)
    is_flat = relative_ess > FLAT_ESS
    hopeless = not is_flat and (not k <= PARETO_K or relative_ess < 0.02)
    needless = options.importance == "auto" and is_flat
    no_weights = options.importance is False or hopeless or needless
    source = "mixture" if no_weights else "importance"
    if source == "importance" and not (ended_early or is_large) and interruption is None:
        target.deadline = None  # a last, short stage
        try:
            pool = _large_pool(target, mixture, pool, log_weights, options, generator)
            log_weights, k, relative_ess = weigh(pool)
        except KeyboardInterrupt as stop:
            interruption = stop
    chosen_from = own if source == "mixture" else (pool, log_weights)
    delivery = _from_pool(*chosen_from, source, component_modes, options, generator)
    delivery.pareto_k, delivery.relative_ess = k, relative_ess
    delivery.evidence, delivery.interruption = evidence, interruption
    return delivery


def weigh(pool: Pool) -> tuple[np.ndarray, float, float]:
    """Smoothed log weights of the pool, Pareto k and the relative effective sample size."""
    ratios = np.where(np.isfinite(pool.log_ratios), pool.log_ratios, -np.inf)
    log_weights, k = psis(ratios)
    return log_weights, k, pool.importance_ess() / pool.log_ratios.size


def _could_reweight(k: float, relative_ess: float) -> bool:
    """Whether weights alone could do, should the chains agree."""
    return relative_ess > FLAT_ESS or (k < REWEIGHT_K and relative_ess > REWEIGHT_ESS)


def _large_pool(
    target: Target,
    mixture: Any,
    pool: Pool,
    log_weights: np.ndarray,
    options: Options,
    generator: np.random.Generator,
) -> Pool:
    """The pool, with as many more draws as it takes to choose by weights that are not scarce."""
    wanted = options.draws * options.chains
    need = min(pool_factor(log_weights) * wanted, max(wanted, POOL_NUMBERS // mixture.dim))
    more = int(np.ceil(need / options.chains)) - pool.positions.shape[1]
    return pool.joined(draw_pool(target, mixture, generator, more)) if more > 0 else pool


def _run_chains(
    target: Target,
    mixture: Any,
    pool: Pool,
    pool_modes: np.ndarray,
    options: Options,
    generator: np.random.Generator,
    is_enough: Agreement | None,
) -> Refined | None:
    """Start chains from the pool, each mode in proportion to its mass, and run them."""
    settings = options.refine
    if not isinstance(settings, Refine):
        # A number: at least that many transitions before the recording, and as many recorded.
        settings = Refine(min_warmup=settings, min_recorded=max(settings, 4))
    chains = len(pool.positions)
    # Twenty positions of every chain must fit; a chain for every ten draws is enough then.
    affordable = max(settings.max_numbers // (20 * mixture.dim), 64)
    per_chain = -(-min(settings.num_chains, affordable) // chains)
    ratios = pool.log_ratios
    weights, _ = tempered(np.where(np.isfinite(ratios), ratios, -np.inf), 0.4 * settings.num_chains)
    # Tempering levels the masses of the modes too: put them back to those of full weights.
    full = np.exp(ratios - ratios[np.isfinite(ratios)].max())
    for mode in np.unique(pool_modes):
        members = pool_modes == mode
        if weights[members].sum() > 0:
            weights[members] *= full[members].sum() / full.sum() / weights[members].sum()
    index = np.concatenate(
        [
            systematic(part, per_chain, generator) + chain * pool.positions.shape[1]
            for chain, part in enumerate(weights.reshape(chains, -1))
        ]
    )
    starts = pool.positions.reshape(-1, pool.positions.shape[-1])[index]
    return refine(
        target, starts, pool_modes[index], mixture.affine_map, generator, settings, is_enough
    )


def _from_pool(
    pool: Pool,
    log_weights: np.ndarray,
    source: str,
    component_modes: np.ndarray,
    options: Options,
    generator: np.random.Generator,
) -> Delivery:
    """Draws of the mixture: those of the pool, in strata, or some chosen by their weights."""
    chains, size, _ = pool.positions.shape
    weights = log_weights.reshape(chains, size)
    usable = np.isfinite(pool.log_density)
    picked = []
    for chain in range(chains):
        if source == "importance":
            picked.append(chosen(weights[chain], options.draws, generator))
        else:
            picked.append(_in_strata(pool.components[chain], usable[chain], options.draws))
    index = np.stack(picked)
    rows = np.arange(chains)[:, None]
    components = pool.components[rows, index]
    equal = np.full(index.shape, -np.log(index.size))
    kept = weights[rows, index]
    with np.errstate(all="ignore"):
        kept = kept - (kept.max() + np.log(np.exp(kept - kept.max()).sum()))
    nothing = np.zeros(1)
    return Delivery(
        source=source,
        positions=pool.positions[rows, index],
        log_density=pool.log_density[rows, index],
        components=components,
        modes=np.take_along_axis(component_modes, components, axis=1),
        log_weights=kept if source == "mixture" and np.all(np.isfinite(kept)) else equal,
        pareto_k=float("nan"),
        relative_ess=float("nan"),
        evidence=Evidence(nothing, nothing, 0.0, 0.0),
        component_modes=component_modes,
        refined=None,
    )


def _in_strata(
    components: Int[np.ndarray, " n"], usable: Bool[np.ndarray, " n"], draws: int
) -> Int[np.ndarray, " m"]:
    """So many of the usable rows, of every component its share, in the order of the pool."""
    good = np.flatnonzero(usable)
    if not len(good):
        good = np.arange(len(usable))
    if draws >= len(good):
        return np.resize(good, draws)
    by_component = good[np.argsort(components[good], kind="stable")]
    levels = (np.arange(draws) + 0.5) / draws * len(good)
    return np.sort(by_component[levels.astype(int)])


def _from_chains(
    refined: Refined,
    mixture: Any,
    component_modes: np.ndarray,
    evidence: Evidence,
    k_and_ess: tuple[float, float],
    options: Options,
) -> Delivery:
    """Draws of the chains: as many of each as the masses of the modes ask for, evenly spaced.

    The chains of one fit stay together, the draws of one chain one after another, so that
    R-hat compares the fits and effective sample sizes see the autocorrelation.
    """
    chains, dim = len(mixture.means), mixture.dim
    num_chains, length, _ = refined.draws.shape
    weights = np.ones((num_chains, length))
    pooled = mixture.pooled()
    if len(evidence.log_masses) > 1:
        regions = regions_of(refined.draws.reshape(-1, dim), pooled, component_modes.ravel())
        counts = np.bincount(regions, minlength=len(evidence.log_masses)) / regions.size
        masses = np.exp(evidence.log_masses - evidence.log_evidence)
        with np.errstate(divide="ignore"):
            ratio = np.where(counts > 0, masses / np.maximum(counts, 1e-300), 0.0)
        weights = ratio[regions].reshape(num_chains, length)
    chosen, log_density = [], []
    for members in np.split(np.arange(num_chains), chains):
        flat = weights[members].ravel()
        cumulative = np.cumsum(flat) / flat.sum()
        levels = (np.arange(options.draws) + 0.5) / options.draws
        index = np.minimum(np.searchsorted(cumulative, levels), len(flat) - 1)
        chosen.append(refined.draws[members].reshape(-1, dim)[index])
        log_density.append(refined.log_density[members].ravel()[index])
    positions = np.stack(chosen)
    components = np.stack(
        [
            np.concatenate(
                [mixture[c].responsibilities(x).argmax(1) for x in np.array_split(positions[c], 4)]
            )
            for c in range(chains)
        ]
    )
    return Delivery(
        source="chains",
        positions=positions,
        log_density=np.stack(log_density),
        components=components,
        modes=np.take_along_axis(component_modes, components, axis=1),
        log_weights=np.full(components.shape, -np.log(components.size)),
        pareto_k=k_and_ess[0],
        relative_ess=k_and_ess[1],
        evidence=evidence,
        component_modes=component_modes,
        refined=refined,
    )
