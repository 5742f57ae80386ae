"""The recipe: locate, whiten, fit the mixture, judge, refine, deliver.  No ArviZ object here."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from isogmm.draws.pool import Pool, draw_pool
from isogmm.model.fit_target import FitTarget
from isogmm.model.target import Target
from isogmm.optimize.check import Check
from isogmm.optimize.gradients import MonteCarlo
from isogmm.optimize.loop import OptimizeResult
from isogmm.optimize.updates import LearnedWeights
from isogmm.optimize.whitening import AdaptDense, AdaptDiagonal
from isogmm.recipe.deliver import deliver
from isogmm.recipe.family import NUM_COMPONENTS
from isogmm.recipe.growth import Growth
from isogmm.recipe.one_gaussian import one_gaussian
from isogmm.recipe.options import Options
from isogmm.recipe.stages import Fitted, Stages
from isogmm.recipe.start import Start, start_of
from isogmm.recipe.summarize import summarize
from isogmm.results.fit_result import FitResult
from isogmm.results.stop_reason import StopReason, stop_reason_of


# Numerical trouble is in the verdict; NumPy's own warnings name lines of this library.
@np.errstate(over="ignore", invalid="ignore", divide="ignore")
def fit(
    target: Target,
    options: Options,
    generator: np.random.Generator,
    *,
    callback: Callable[[Check], Any] | None = None,
    save: Callable[[Any, Any, int], Any] | None = None,
    start: Start | None = None,
) -> FitResult:
    """Fit a target: the whole recipe for engine users, from target to draws with a verdict.

    Parameters
    ----------
    target, options
        What is fitted, and how.
    generator
        Source of all noise.
    callback
        Sees a :class:`isogmm.optimize.check.Check` after every window; True ends the fit.
    save
        Called with the mixture, the centers of its modes (or None) and the number of iterations:
        after every window, and once more where the last windows were given up.
    start
        Continues a mixture (from an earlier result) in its own coordinates.

    Raises
    ------
    ModelError
        If the log density is not finite at any start.
    OptionError
        If the options do not fit the target.
    """
    target = FitTarget.of(target, options.stopping.max_seconds)
    stages = Stages(target)
    start = start or start_of(target, options, generator)
    start.mixture = options.family.convert(start.mixture)
    stages.done("locate")
    optimized, pool = _mixture(target, options, generator, start, stages, callback, save)
    delivery = deliver(target, optimized, start.centers, pool, options, generator)
    stages.done("refine")
    return summarize(target, options, Fitted(start.located, optimized, pool, delivery, stages))


def _mixture(
    target: Target,
    options: Options,
    generator: np.random.Generator,
    start: Start,
    stages: Stages,
    callback: Callable[[Check], Any] | None,
    save: Callable[[Any, Any, int], Any] | None,
) -> tuple[OptimizeResult, Pool]:
    """The fitted mixture with fresh draws: once, and again with more components if they pay."""
    size = max(1000, options.draws)

    def checkpoint(check: Check) -> None:
        if save is not None:
            save(check.mixture, start.centers, check.iteration)

    def run(mixture: Any) -> tuple[OptimizeResult, Pool]:
        result = options.family.optimize(
            target,
            mixture,
            options,
            generator,
            whitening=_adaptation(options, start),
            weights=_weights_rule(options, start),
            callback=callback,
            checkpoint=checkpoint,
        )
        stages.done("mixture")
        try:
            pool = draw_pool(target, result.mixture, generator, size)
        except KeyboardInterrupt as stop:
            result = replace(result, stop_reason=stop_reason_of(stop))
            pool = draw_pool(target, result.mixture, generator, size)
        stages.done("judge")
        return result, pool

    observers = [observer for observer in (checkpoint, callback) if observer is not None]
    if start.interruption is None:
        try:
            simple = one_gaussian(target, options, start, generator, size, observers)
            if simple is not None:
                stages.done("judge")
                return simple
        except KeyboardInterrupt as stop:
            start.interruption = stop
    if start.interruption is not None:
        reason = stop_reason_of(start.interruption)
        return (
            OptimizeResult(start.mixture, {}, reason, 0, None),
            draw_pool(target, start.mixture, generator, size),
        )
    optimized, pool = run(start.mixture)
    # Chains that start from the mixture repair what growth would: one round is enough then.
    growth = Growth() if options.refine == 0 else Growth(max_components=3 * NUM_COMPONENTS // 2)
    while (
        options.family.grows_by_splitting
        and options.num_components is None
        and start.located is not None
        and optimized.stop_reason is StopReason.CONVERGED
        and growth.is_worth_trying(pool, optimized.mixture)
    ):
        grown, grown_pool = run(options.family.split(optimized.mixture, pool))
        if growth.has_gained(pool, grown_pool):
            history = joined(optimized.history, grown.history)
            iterations = optimized.iterations + grown.iterations
            optimized, pool = replace(grown, history=history, iterations=iterations), grown_pool
            continue
        if grown.stop_reason in (StopReason.INTERRUPTED, StopReason.MAX_SECONDS):
            # The smaller mixture is done, the fit is not: no stage may follow.
            optimized = replace(optimized, stop_reason=grown.stop_reason)
        if save is not None:
            save(optimized.mixture, start.centers, optimized.iterations)
        break
    return optimized, pool


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


def _adaptation(options: Options, start: Start) -> Any:
    """Adapt only what was estimated, and only within one mode: G mixes modes up otherwise."""
    affine_map = start.mixture.affine_map
    estimator = options.estimator
    if not options.family.adapts_whitening or (
        isinstance(estimator, MonteCarlo) and estimator.num_samples < 2
    ):
        return None
    if options.whitening != "auto" or start.located is None or start.has_several_modes:
        return None
    adaptations = {"dense": AdaptDense, "diagonal": AdaptDiagonal}
    return adaptations[affine_map.kind]() if affine_map.kind in adaptations else None


def _weights_rule(options: Options, start: Start) -> LearnedWeights | None:
    if isinstance(options.weights, LearnedWeights):
        return options.weights
    if options.weights == "learned" or (options.weights == "auto" and start.has_several_modes):
        return LearnedWeights()
    return None
