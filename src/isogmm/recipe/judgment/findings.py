"""The quantities that decide the verdict, computed from the stages of a fit."""

from dataclasses import dataclass, field
from typing import TypedDict

import numpy as np

from isogmm.draws.blocks import coordinate_blocks, medians, sds
from isogmm.draws.chains.convergence import median_deviation
from isogmm.draws.pool import Pool
from isogmm.draws.refine import Refined
from isogmm.draws.weight_effect import WeightEffect
from isogmm.locate.located import Located, SearchEnd
from isogmm.mixtures.affine_map import MAX_DENSE_DIM
from isogmm.model.fit_target import FitTarget
from isogmm.recipe.delivery.deliver import Delivery
from isogmm.recipe.judgment.missing_gradients import MissingGradients
from isogmm.recipe.thresholds import MAX_SPREAD_GROWTH, MIN_SKEWNESS
from isogmm.results.labeling.labels import DrawSource
from isogmm.results.rhat import rhat

#: Standard errors by which an ELBO must be below the best for the difference to count.
ELBO_GAP_SES = 3.0


@dataclass(frozen=True)
class Findings:
    """The quantities that decide the verdict.

    Parameters
    ----------
    source
        Where the delivered draws come from.
    pareto_k, relative_ess
        Of the importance ratios against the pooled mixture.
    rhat, rhat_name, num_draws
        Largest R-hat of the delivered draws, the coordinate that has it, and draws of all chains.
    independent_of_start, still_drifting
        Whether the correlation of the HMC chains with their starting points is small and no
        coordinate is too slow, and whether the two halves of the recording differ; None without
        chains.
    slow_name
        The coordinate in which the HMC chains are slowest.
    stuck_share
        Share of HMC chains that move in less than a tenth of the transitions.
    mcse, mcse_name
        Largest Monte Carlo error of a mean in sds, and its coordinate.
    drift_name, narrow_start
        The coordinate that differs most between the halves of the recording; the one in which the
        chains started much too narrow, or an empty string.
    dim
        Dimension d of the posterior.
    num_modes, unseen_probability, mass_se
        Modes found, probability that a further starting point leads to a new one, and largest
        standard error of the mass of a mode.
    elbo_gap
        ELBO of the best chain minus that of the worst, beyond their noise, in nats.
    nonfinite_share, nonfinite_terms
        Share of the draws of the mixture without a finite log density, and sentences that name the
        terms that are not finite there, or an empty string.
    missing_gradients
        The part of the posterior where the log density is finite and its gradient is not.
    improper_direction
        The direction along which the density has no finite integral, or an empty string.
    jumps_along
        A coordinate along which the log density jumps, or an empty string.
    rounding_error
        Rounding error of the log density near the draws, in nats; 0 if not known.
    neck
        Where chains needed steps many times smaller, ``tau is small``, or an empty string.
    stopped_early
        The sentence of a stop reason other than convergence, or None.
    single_precision
        Whether the model computes in 32 bits, in which matrices can lose positive definiteness.
    has_gradient
        Whether HMC chains are possible, which decides the remedy.
    without_chains
        Whether HMC chains are switched off, so that nothing confirms the importance weights.
    weight_effect
        The variable of the model whose estimates change most by the importance weights; None if
        no change is significant.
    """

    source: DrawSource
    pareto_k: float
    relative_ess: float
    rhat: float
    rhat_name: str
    num_draws: int = 4000
    independent_of_start: bool | None = None
    still_drifting: bool | None = None
    narrow_start: str = ""
    slow_name: str = ""
    stuck_share: float = 0.0
    mcse: float = 0.0
    mcse_name: str = ""
    drift_name: str = ""
    dim: int = 1
    num_modes: int = 1
    unseen_probability: float = 0.0
    mass_se: float = 0.0
    elbo_gap: float = 0.0
    nonfinite_share: float = 0.0
    nonfinite_terms: str = ""
    missing_gradients: MissingGradients = field(default_factory=MissingGradients)
    improper_direction: str = ""
    jumps_along: str = ""
    rounding_error: float = 0.0
    neck: str = ""
    stopped_early: str | None = None
    single_precision: bool = False
    has_gradient: bool = True
    without_chains: bool = False
    weight_effect: WeightEffect | None = None


def findings_of(
    target: FitTarget,
    pool: Pool,
    delivery: Delivery,
    located: Located | None,
) -> Findings:
    """The findings of a fit, without those that need evaluations of the target.

    Parameters
    ----------
    target
        The target.
    pool, delivery, located
        Fresh draws of the mixture, the delivered draws, and the result of the search.
    """
    draws, source = delivery.selection.positions, delivery.selection.source
    rhats = np.nan_to_num(rhat(draws), nan=1.0, posinf=np.inf) if len(draws) > 1 else np.ones(1)
    worst = int(np.argmax(rhats))
    num_modes = len(np.unique(delivery.component_modes))
    return Findings(
        source=source,
        pareto_k=delivery.weights.pareto_k,
        relative_ess=delivery.weights.relative_ess,
        rhat=float(rhats[worst]),
        rhat_name=target.coordinate_labels[worst],
        num_draws=draws.shape[0] * draws.shape[1],
        dim=target.dim,
        num_modes=num_modes,
        unseen_probability=0.0 if located is None else _unseen(located),
        mass_se=min(float(np.max(delivery.evidence.shares_se)), 1.0) if num_modes > 1 else 0.0,
        elbo_gap=_elbo_gap(pool) if source is DrawSource.MIXTURE else 0.0,
        nonfinite_share=pool.num_nonfinite / pool.log_ratios.size,
        single_precision=target.single_precision,
        has_gradient=target.has_gradient,
        without_chains=delivery.without_chains,
        weight_effect=delivery.weight_effect,
        **_of_chains(target, delivery.refined, draws),
    )


def _unseen(located: Located) -> float:
    """The chance that one more path ends in a new mode.

    If a limit ended the search, paths may have found new modes until then.
    """
    if located.end is SearchEnd.NO_MAXIMUM:
        return 0.0  # a hierarchy whose density is unbounded: no path converges
    is_limited = located.end not in (SearchEnd.ONE_MODE, SearchEnd.NO_NEW_MODE)
    return max(located.unseen, located.unseen_bound) if is_limited else located.unseen


def _elbo_gap(pool: Pool) -> float:
    """How far the worst ELBO of a chain is below the best, beyond the noise of both."""
    elbos, ses = pool.elbos()
    if len(elbos) < 2:
        return 0.0
    best = int(np.argmax(elbos))
    behind = elbos[best] - elbos - ELBO_GAP_SES * np.hypot(ses, ses[best])
    return float(max(behind.max(), 0.0))


class _OfChains(TypedDict, total=False):
    """Findings about HMC chains."""

    independent_of_start: bool
    still_drifting: bool
    narrow_start: str
    slow_name: str
    stuck_share: float
    mcse: float
    mcse_name: str
    drift_name: str
    neck: str


def _of_chains(target: FitTarget, refined: Refined | None, draws: np.ndarray) -> _OfChains:
    if refined is None:
        return {}
    names = target.coordinate_labels
    sd = sds(draws)
    mcse = _monte_carlo_errors(refined) / sd
    drift = np.abs(refined.drift.location) + np.abs(refined.drift.spread)
    found: _OfChains = {
        "independent_of_start": refined.is_independent,
        "still_drifting": refined.still_drifting,
        "narrow_start": _narrow_start(names, refined, draws) if target.dim > MAX_DENSE_DIM else "",
        "slow_name": names[_slowest(refined)],
        "stuck_share": refined.stuck_share,
        "mcse": float(mcse.max()),
        "mcse_name": names[int(mcse.argmax())],
        "drift_name": names[int(drift.argmax())],
    }
    if len(refined.neck):
        away = (np.median(refined.neck, axis=0) - medians(draws)) / sd
        farthest = int(np.abs(away).argmax())
        side = "large" if away[farthest] > 0 else "small"
        found["neck"] = f"{names[farthest]} is {side}"
    return found


def _slowest(refined: Refined) -> int:
    """The coordinate that is too slow, or has the largest correlation with the start."""
    is_slow = refined.slowness.max() > 1.0
    return int((refined.slowness if is_slow else refined.start_correlation).argmax())


def _narrow_start(names: list[str], refined: Refined, draws: np.ndarray) -> str:
    """The skewed coordinate in which the draws have spread most, if too far; or nothing."""
    before = median_deviation(refined.starting_points)
    after = median_deviation(draws.reshape(-1, draws.shape[-1]))
    growth = np.where(before > 0, after / np.maximum(before, 1e-300), 1.0)
    growth[np.abs(_skewness(draws)) < MIN_SKEWNESS] = 1.0
    return names[int(growth.argmax())] if growth.max() > MAX_SPREAD_GROWTH else ""


def _skewness(draws: np.ndarray) -> np.ndarray:
    """Skewness of each coordinate (d,) of the draws (c, n, d)."""
    result = np.empty(draws.shape[-1])
    for block in coordinate_blocks(draws.shape[-1]):
        values = draws[..., block].astype(np.float64)
        centered = values - values.mean(axis=(0, 1))
        squares = centered * centered
        third = (squares * centered).mean(axis=(0, 1))
        result[block] = third / (squares.mean(axis=(0, 1)) ** 1.5 + 1e-300)
    return result


def _monte_carlo_errors(refined: Refined) -> np.ndarray:
    """Standard errors of the means (d,), from the differences between chains of one mode."""
    means = refined.draws.mean(axis=1, dtype=np.float64)
    for mode in np.unique(refined.groups):
        members = refined.groups == mode
        means[members] -= means[members].mean(axis=0)
    return means.std(axis=0) / np.sqrt(len(means))
