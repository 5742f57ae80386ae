"""The recipe: locate, whiten, fit the mixture, judge, refine, deliver.  No ArviZ object here."""

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from isogmm.checks import Check
from isogmm.deliver import deliver
from isogmm.diagnostics.improper import improper_direction
from isogmm.diagnostics.judge import Pool, draw_pool
from isogmm.errors import DeadlineReachedError, ModelError, OptionError
from isogmm.families import NUM_COMPONENTS
from isogmm.growth import Growth
from isogmm.initialization.over_modes import within_mode_map
from isogmm.locate.locate import Locate, Located, locate
from isogmm.locate.low_rank import low_rank_at
from isogmm.locate.paths import DENSE_LIMIT, follow_paths
from isogmm.optimize import OptimizeResult
from isogmm.options import Options
from isogmm.result import FitResult, StopReason
from isogmm.stages import Fitted, Stages
from isogmm.summarize import summarize
from isogmm.target import Target
from isogmm.updates import LearnedWeights
from isogmm.whitening.adapt import AdaptDense, AdaptDiagonal
from isogmm.whitening.at_point import dense_at, diagonal_at
from isogmm.whitening.base import AffineMap, identity_map


# Numerical trouble is in the verdict; NumPy's own warnings name lines of this library.
@np.errstate(over="ignore", invalid="ignore", divide="ignore")
def fit(
    target: Target,
    options: Options,
    generator: np.random.Generator,
    *,
    callback: Callable[[Check], Any] | None = None,
    checkpoint: Callable[[Check], Any] | None = None,
    start: Any = None,
) -> FitResult:
    """Fit a target: the whole recipe for engine users, from target to draws with a verdict.

    ``start`` continues a mixture (from an earlier result) in its own coordinates.

    Raises
    ------
    ModelError
        If the log density is not finite at any start.
    OptionError
        If the options do not fit the target.
    """
    stages = Stages(target)
    limit = options.stopping.max_seconds
    target.deadline = None if limit is None else time.perf_counter() + limit
    located = None
    if start is None:
        start, located = starting_mixture(target, options, generator)
    start = options.family.convert(start)
    stages.done("locate")

    def run(mixture: Any) -> tuple[OptimizeResult, Pool]:
        result = options.family.optimize(
            target,
            mixture,
            options,
            generator,
            whitening=_adaptation(options, mixture, located),
            weights=_weights_rule(options, located),
            callback=callback,
            checkpoint=checkpoint,
        )
        stages.done("mixture")
        try:
            pool = draw_pool(target, result.mixture, generator, max(1000, options.draws))
        except DeadlineReachedError as interruption:
            result = replace(result, stop_reason=stop_reason_of(interruption))
            pool = draw_pool(target, result.mixture, generator, max(1000, options.draws))
        stages.done("judge")
        return result, pool

    if located is not None and located.interruption is not None:
        reason = stop_reason_of(located.interruption)
        optimized = OptimizeResult(start, {}, reason, 0, None)
        pool = draw_pool(target, start, generator, max(1000, options.draws))
    else:
        optimized, pool = run(start)
    # Chains that start from the mixture repair what growth would: one round is enough then.
    growth = Growth() if options.refine == 0 else Growth(max_components=3 * NUM_COMPONENTS // 2)
    while (
        options.family.grows_by_splitting
        and options.num_components is None
        and located is not None
        and optimized.stop_reason is StopReason.CONVERGED
        and growth.is_worth_trying(pool, optimized.mixture)
    ):
        grown, grown_pool = run(options.family.split(optimized.mixture, pool))
        if not growth.has_gained(pool, grown_pool):
            break
        history = joined(optimized.history, grown.history)
        optimized, pool = replace(grown, history=history), grown_pool
    delivery = deliver(target, optimized, located, pool, options, generator)
    stages.done("refine")
    return summarize(target, options, Fitted(located, optimized, pool, delivery, stages))


def stop_reason_of(interruption: KeyboardInterrupt) -> StopReason:
    """Ctrl-C or the time limit."""
    is_deadline = isinstance(interruption, DeadlineReachedError)
    return StopReason.MAX_SECONDS if is_deadline else StopReason.INTERRUPTED


def joined(
    first: Mapping[str, np.ndarray], second: Mapping[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """The histories of two runs as one; what counts up goes on from the end of the first."""
    running = ("iteration", "gradient_evaluations", "seconds")
    return {
        name: np.concatenate(
            [values, second[name] + (values[-1] if name in running and len(values) else 0)]
        )
        for name, values in first.items()
    }


def starting_mixture(
    target: Target, options: Options, generator: np.random.Generator
) -> tuple[Any, Located | None]:
    """Where the fit starts and in which coordinates."""
    if not isinstance(options.init, Locate):
        affine_map = _fixed_map(target, options, generator)
        return (
            options.init.initialize(
                generator,
                options.chains,
                options.num_components or options.family.num_components,
                affine_map,
            ),
            None,
        )
    located = locate(target, generator, options.init)
    direction = improper_direction(target, located.means[0], located.factors[0])
    if direction is not None:
        raise ModelError(
            f"the posterior is improper: the log density does not fall off along {direction} "
            "(unconstrained coordinates), however far one goes. A flat prior without data, or "
            "parameters of which only the sum matters? Give them proper priors, or remove one."
        )
    masses = np.exp(located.log_masses - located.log_masses.max())
    masses /= masses.sum()
    affine_map = located.low_rank or within_mode_map(located.means, located.factors, masses)
    if isinstance(options.whitening, AffineMap):
        affine_map = _checked(options.whitening, target)
    elif options.whitening == "none":
        affine_map = identity_map(target.dim)
    elif options.whitening == "diagonal" and affine_map.factor is not None:
        scale = np.sqrt((affine_map.factor**2).sum(axis=1))
        affine_map = AffineMap(affine_map.center, scale)
    elif options.whitening == "low_rank" and target.dim > DENSE_LIMIT // 50:
        affine_map = located.low_rank or low_rank_at(target, located.means[0])
    family = options.family
    count = options.num_components or max(family.num_components, 2 * len(masses))
    means, factors = located.means, located.factors
    if located.low_rank is not None:
        means, factors = located.low_rank.center[None], _geometric_scale(located.low_rank)[None]
    start = family.over_modes(means, factors, masses, generator, options.chains, count, affine_map)
    return start, located


def _geometric_scale(affine_map: AffineMap) -> np.ndarray:
    """Equal scales with the volume of the map."""
    dim = len(affine_map.center)
    return np.full(dim, np.exp(float(affine_map.log_det()) / dim))


def _fixed_map(target: Target, options: Options, generator: np.random.Generator) -> AffineMap:
    """The map asked for where no search is made: estimated, if at all, at a local maximum."""
    whitening = options.whitening
    if isinstance(whitening, AffineMap):
        return _checked(whitening, target)
    if whitening in ("none", "auto"):
        return identity_map(target.dim)
    paths = follow_paths(target, target.initial_positions(generator, 8))
    found = [path for path in paths if path is not None]
    if not found:
        raise ModelError("no start has a finite log density: the whitening cannot be estimated")
    best = max(found, key=lambda path: path.log_density[-1])
    return (diagonal_at if whitening == "diagonal" else dense_at)(target, best.end)


def _checked(affine_map: AffineMap, target: Target) -> AffineMap:
    if len(affine_map.center) != target.dim:
        raise OptionError(
            f"the whitening map has {len(affine_map.center)} coordinates, the target {target.dim}"
        )
    return affine_map


def _adaptation(options: Options, start: Any, located: Located | None) -> Any:
    """Adapt only what was estimated, and only within one mode: G mixes modes up otherwise."""
    affine_map = start.affine_map
    if not options.family.adapts_whitening:
        return None
    if options.whitening != "auto" or located is None or len(located.means) > 1:
        return None
    adaptations = {"dense": AdaptDense, "diagonal": AdaptDiagonal}
    return adaptations[affine_map.kind]() if affine_map.kind in adaptations else None


def _weights_rule(options: Options, located: Located | None) -> LearnedWeights | None:
    if isinstance(options.weights, LearnedWeights):
        return options.weights
    several = located is not None and len(located.means) > 1
    if options.weights == "learned" or (options.weights == "auto" and several):
        return LearnedWeights()
    return None
