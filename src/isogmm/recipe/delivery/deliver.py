"""Which draws a fit delivers: those of the mixture, reweighted ones, or those of HMC chains."""

from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float, Int

from isogmm.draws.agreement import Agreement
from isogmm.draws.evidence import Evidence, evidence_by_mode, modes_of_components, regions_of
from isogmm.draws.importance import pool_factor
from isogmm.draws.pool import Pool, draw_pool, draw_pool_in_time
from isogmm.draws.refine import Refined
from isogmm.draws.student_evidence import with_heavy_tails
from isogmm.draws.weigh import SmoothedWeights, weigh
from isogmm.draws.weight_effect import WeightEffect
from isogmm.mixtures.abstract import AbstractMixture
from isogmm.mixtures.isotropic import IsotropicMixture
from isogmm.model.target import Groups
from isogmm.optimize.loop import OptimizeResult
from isogmm.recipe.context import FitContext
from isogmm.recipe.delivery.constrained_pool import ConstrainedPool, constrained_pool
from isogmm.recipe.delivery.run_chains import run_chains
from isogmm.recipe.delivery.select_draws import Selection, by_weights, from_chains, from_mixture
from isogmm.recipe.options import Options, When
from isogmm.recipe.thresholds import (
    FLAT_RELATIVE_ESS,
    MAX_PARETO_K,
    MAX_REWEIGHT_K,
    MIN_IMPORTANCE_RELATIVE_ESS,
    MIN_REWEIGHT_RELATIVE_ESS,
)
from isogmm.results.interruption import interruptible
from isogmm.results.labeling.labels import DrawSource
from isogmm.results.stop_reason import StopReason

#: Coordinates that a pool may hold from which draws are chosen: a third of a gigabyte, and some
#: times as much during the computation.
MAX_POOL_NUMBERS = 40_000_000
#: Share of the gradients of a fit that the evidence of heavy tails may cost, and the smallest and
#: largest number of draws for it.
TAIL_COST_SHARE, MIN_TAIL_DRAWS, MAX_TAIL_DRAWS = 0.01, 500, 4000


@dataclass(frozen=True)
class Delivery:
    """The delivered draws and what was found on the way to them.

    Axes: c chains, n draws, k components.

    Parameters
    ----------
    selection
        The draws.
    modes, component_modes
        The mode of every draw (c, n) and of every component (c, k).
    weights
        Importance weights of the larger pool where there was one, else of the first.
    evidence
        From the pool, and by bridge sampling where chains ran.
    refined
        The HMC chains, or None.
    stop_reason
        What interrupted the stage (Ctrl-C or the time limit), or None.
    weight_effect
        How the weights of the first pool change the estimates of variables of the model; None if
        no change is significant, or if the weights were not compared.
    constrained
        The groups of ``target.constrain`` for the draws, where they are known, or None.
    without_chains
        Whether the user has switched HMC chains off: nothing confirms the weights.
    """

    selection: Selection
    modes: Int[np.ndarray, "c n"]
    component_modes: Int[np.ndarray, "c k"]
    weights: SmoothedWeights
    evidence: Evidence
    refined: Refined | None
    stop_reason: StopReason | None
    weight_effect: WeightEffect | None = None
    constrained: Groups | None = None
    without_chains: bool = False


@dataclass
class _State:
    """What is known so far; an interrupt leaves it complete."""

    pool: Pool
    weights: SmoothedWeights
    is_large: bool = False
    refined: Refined | None = None
    constrained: ConstrainedPool = field(default_factory=ConstrainedPool)

    @property
    def needs_weights(self) -> bool:
        """Whether the draws of the mixture are wrong without weights, although these are flat."""
        return self.constrained.effect is not None


def deliver(
    context: FitContext,
    options: Options,
    optimized: OptimizeResult,
    centers: Float[np.ndarray, "m d"] | None,
    pool: Pool,
) -> Delivery:
    """Choose draws of the mixture, or run HMC chains where these are not good enough.

    Parameters
    ----------
    context, options
        What all stages share, and the options of the fit.
    optimized
        The fitted mixture.
    centers
        A point of every known mode, or None.
    pool
        Fresh draws of the mixture.
    """
    mixture = optimized.mixture
    component_modes = modes_of_components(mixture, centers)
    own = weigh(pool)
    is_flat = own.relative_ess > FLAT_RELATIVE_ESS
    state = _State(pool, own)
    ended_early = optimized.stop_reason.is_early
    with interruptible(context.target, has_result=True) as interruption:
        if not ended_early:
            if _may_reweight(own) and not _always_runs_chains(options):
                state.constrained = constrained_pool(context.target, pool, own, context.seed)
            if _may_reweight(own) and not is_flat:
                # A pool large enough to choose from also says whether the first k was chance.
                _enlarge(context, options, mixture, state)
            _refine(context, options, mixture, component_modes, state)
    reason = interruption.reason
    corrects_flat = state.needs_weights and is_flat
    evidence = evidence_by_mode(state.pool, state.refined, mixture, component_modes)
    if state.refined is not None and reason is None:
        with interruptible(context.target) as interruption:
            evidence = _with_heavy_tails(context, evidence, state.refined, mixture, component_modes)
        reason = interruption.reason
    draws = options.draws
    if state.refined is not None:
        selection = from_chains(
            state.refined, mixture, component_modes, evidence, draws, context.generator
        )
    elif _source(options.importance, state) is DrawSource.IMPORTANCE:
        if not (ended_early or state.is_large) and reason is None:
            with interruptible(context.target, has_result=True) as interruption:
                _enlarge(context, options, mixture, state)
            reason = interruption.reason
        weights = state.weights.log_weights
        selection = by_weights(
            state.pool, weights, draws, context.generator, may_repeat=corrects_flat
        )
    else:
        # The first pool is stratified over the components; an enlarged pool is not.
        whole = _completed(context, mixture, pool, draws)
        log_weights = (own if whole is pool else weigh(whole)).log_weights
        selection = from_mixture(whole, log_weights, draws)
    is_pool = np.array_equal(selection.positions, pool.positions)
    return Delivery(
        selection=selection,
        modes=_modes_of(selection.positions, mixture, component_modes),
        component_modes=component_modes,
        # Weights that are nearly equal stay so in a larger pool, up to noise.
        weights=own if corrects_flat else state.weights,
        evidence=evidence,
        refined=state.refined,
        stop_reason=reason,
        weight_effect=state.constrained.effect,
        constrained=state.constrained.groups if is_pool else None,
        without_chains=options.refinement.settings is None,
    )


def _completed(context: FitContext, mixture: AbstractMixture, pool: Pool, draws: int) -> Pool:
    """The pool, with as many draws of each chain as are delivered."""
    chains, num_drawn, dim = pool.positions.shape
    missing = draws - num_drawn
    if missing <= 0:
        return pool
    more = draw_pool_in_time(context.target, mixture, context.generator, missing)
    if context.target.single_precision and chains * draws * dim > MAX_POOL_NUMBERS:
        # The log densities were computed in single precision, too.
        pool, more = pool.narrowed(), more.narrowed()
    return pool.joined(more)


def _modes_of(
    positions: Float[np.ndarray, "c n d"],
    mixture: AbstractMixture,
    component_modes: Int[np.ndarray, "c k"],
) -> Int[np.ndarray, "c n"]:
    """The mode of each draw, by the same regions as the masses of the modes."""
    if component_modes.max() == 0:
        return np.zeros(positions.shape[:2], dtype=int)
    flat = positions.reshape(-1, mixture.dim)
    return regions_of(flat, mixture.pooled(), component_modes.ravel()).reshape(positions.shape[:2])


def _with_heavy_tails(
    context: FitContext,
    evidence: Evidence,
    refined: Refined,
    mixture: AbstractMixture,
    component_modes: Int[np.ndarray, "c k"],
) -> Evidence:
    """The evidence, corrected where chains have not reached the tails of isotropic components."""
    pooled = mixture.pooled()
    if not isinstance(pooled, IsotropicMixture):
        return evidence
    affordable = int(TAIL_COST_SHARE * context.costs.num_gradients)
    return with_heavy_tails(
        context.target,
        evidence,
        refined,
        pooled,
        component_modes.ravel(),
        context.generator,
        int(np.clip(affordable, MIN_TAIL_DRAWS, MAX_TAIL_DRAWS)),
    )


def _may_reweight(weights: SmoothedWeights) -> bool:
    """Whether weights alone are enough, if HMC chains agree with them."""
    if weights.relative_ess > FLAT_RELATIVE_ESS:
        return True
    is_reliable = weights.pareto_k < MAX_REWEIGHT_K
    return is_reliable and weights.relative_ess > MIN_REWEIGHT_RELATIVE_ESS


def _always_runs_chains(options: Options) -> bool:
    """Whether chains deliver the draws whatever the weights say."""
    has_chains = options.refinement.settings is not None
    return has_chains and not _is_optional(options)


def _is_optional(options: Options) -> bool:
    """Whether weights that the chains confirm may deliver the draws."""
    return options.refinement.is_optional and options.importance is not When.NEVER


def _source(importance: When, state: _State) -> DrawSource:
    """Whether to choose draws by their weights, where no chains ran."""
    weights = state.weights
    if not state.pool.is_evaluated.all():
        return DrawSource.MIXTURE  # a time limit left draws without a weight
    is_flat = weights.relative_ess > FLAT_RELATIVE_ESS
    is_reliable = weights.pareto_k <= MAX_PARETO_K
    is_reliable = is_reliable and weights.relative_ess >= MIN_IMPORTANCE_RELATIVE_ESS
    if importance is When.NEVER or not (is_flat or is_reliable):
        return DrawSource.MIXTURE
    is_unweighted = importance is When.AUTO and is_flat and not state.needs_weights
    return DrawSource.MIXTURE if is_unweighted else DrawSource.IMPORTANCE


def _enlarge(
    context: FitContext, options: Options, mixture: AbstractMixture, state: _State
) -> None:
    """Add draws to the pool until no weight is so large that its draw would be chosen twice."""
    wanted = options.draws * options.chains
    most = max(wanted, MAX_POOL_NUMBERS // mixture.dim)
    is_flat = state.weights.relative_ess > FLAT_RELATIVE_ESS and state.needs_weights
    factor = pool_factor(state.weights.log_weights, are_nearly_equal=is_flat)
    need = min(factor * wanted, most)
    more = int(np.ceil(need / options.chains)) - state.pool.positions.shape[1]
    pool = state.pool
    if more > 0:
        pool = pool.joined(draw_pool(context.target, mixture, context.generator, more))
    state.pool, state.weights, state.is_large = pool, weigh(pool), True


def _refine(
    context: FitContext,
    options: Options,
    mixture: AbstractMixture,
    component_modes: np.ndarray,
    state: _State,
) -> None:
    """Run HMC chains from the pool; chains that confirm its weights leave the draws to these."""
    settings = options.refinement.settings
    if settings is None or not np.isfinite(state.pool.log_ratios).any():
        return
    effect = state.constrained.effect
    is_reliable = effect is None or effect.pareto_k <= MAX_PARETO_K
    is_confirmed = None
    if _is_optional(options) and _may_reweight(state.weights) and is_reliable:
        is_confirmed = Agreement(state.pool, state.weights.log_weights)
    modes = np.take_along_axis(component_modes, state.pool.components, axis=1).ravel()
    state.refined = run_chains(
        context.target,
        mixture.affine_map,
        state.pool,
        modes,
        context.generator,
        settings,
        is_confirmed,
    )
