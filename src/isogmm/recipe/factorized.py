"""``fit_factorized``: a mean-field mixture for models with very many parameters."""

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from isogmm.errors import OptionError, warn_user
from isogmm.mixtures.factorized import FactorizedMixture
from isogmm.model.fit_target import FitTarget
from isogmm.model.to_target import to_target
from isogmm.optimize.check import Check
from isogmm.optimize.factorized.curvature import CollectiveCurvature
from isogmm.optimize.factorized.runner import optimize_factorized
from isogmm.optimize.loop import OptimizeResult
from isogmm.optimize.schedules import AbstractSchedule, Constant, ConstantThenLinearDecay
from isogmm.optimize.stopping import ElboPlateau, MaxIterations
from isogmm.optimize.updates import AbstractUpdateRule, RelativeStep, TrustRegion, find_rule
from isogmm.results.stop_reason import StopReason
from isogmm.validation import real_number, seed_of, whole_number

#: Of many coordinates each adds its noise: the ELBO gains through all of a long tail.
LONGEST_TAIL = 5_000

#: What to do about a fit that ended early; the rest of the sentence is the event.
REMEDIES = {
    StopReason.MAX_ITERATIONS: "; raise max_iterations.",
    StopReason.MAX_SECONDS: "; raise max_seconds.",
    StopReason.INTERRUPTED: "; this is the fit so far.",
    StopReason.NON_FINITE: (
        "; the last good mixture was kept. Start closer with center, spread and variance, or check "
        "the model for parameters outside their support."
    ),
}


def fit_factorized(
    model: Any = None,
    *model_args: Any,
    model_kwargs: Mapping[str, Any] | None = None,
    random_seed: Any = None,
    draws: int = 100,
    chains: int = 1,
    num_components: int = 5,
    method: Any = "ibw",
    step_size: float = 0.1,
    spread: float = 0.3,
    variance: float = 0.01,
    center: Any = None,
    max_iterations: int | None = None,
    max_seconds: float | None = None,
    tolerance: float = 0.25,
    num_samples: int = 1,
    dtype: Any = np.float32,
    callback: Callable[[Check], Any] | None = None,
) -> Any:
    """Fit a factorized mixture, K univariate Gaussians for each coordinate, to a posterior.

    For models with so many parameters (10,000 and more) that :func:`isogmm.fit_isogmm` is too
    slow or too large.  Cost and memory are O(K d) for each point; dependence between
    coordinates is not represented, and nothing here repairs that: read the ELBO, and predictions,
    rather than single parameters.

    Parameters
    ----------
    model, *model_args, model_kwargs, random_seed
        As in :func:`isogmm.fit_isogmm`.
    draws, chains
        Draws of each chain that the result stores, and chains: independent fits, one after the
        other.  The draws take 4 ``draws`` ``chains`` d bytes; 0 draws stores the fit alone.
    num_components
        K, univariate Gaussians for each coordinate.
    method
        ``"ibw"``, ``"md"`` or another of the paper's rules by name, with steps in units of each
        variance, or a rule with a step size of its own, which then runs as in the paper.
    step_size
        γ, relative to each variance; less where the curvature that all means meet together asks
        for it (:class:`isogmm.optimize.factorized.curvature.CollectiveCurvature`).
    spread, variance, center
        The start: means drawn from N(center, spread² I), one variance for all.  The center is
        the origin of the unconstrained space unless given.
    max_iterations, max_seconds, tolerance
        Budgets, of iterations for each chain and of seconds for all, and the gain of the ELBO in
        nats not worth another window.  Chains not begun when a fit is ended are left out.
    num_samples
        Groups of K points an iteration; an even number comes in antithetic pairs.
    dtype
        Type of the arithmetic and of the stored numbers.
    callback
        Called after every window with a :class:`isogmm.optimize.check.Check`; True ends the fit.

    Returns
    -------
    InferenceData or DataTree
        ``posterior`` and ``sample_stats`` (``lp``, ``log_q``) where there are draws, ``fit``
        (``means``, ``variances``: chain, component, coordinate; equal weights), ``fit_stats``
        of each chain; attributes ``elbo``, ``elbo_se`` of fresh draws, ``stop_reason``,
        ``iterations``, ``num_gradient_evaluations``, ``sampling_time``.

    Raises
    ------
    ModelError
        If the model cannot be fitted: names the site, the value and the remedy.
    OptionError
        If an option makes no sense.

    Warns
    -----
    FitWarning
        If a fit ended before its ELBO settled.
    """
    begin = time.perf_counter()
    draws, chains = whole_number("draws", draws, least=0), whole_number("chains", chains)
    num_components = whole_number("num_components", num_components)
    num_samples = whole_number("num_samples", num_samples)
    tolerance = real_number("tolerance", tolerance)
    if max_iterations is not None:
        max_iterations = whole_number("max_iterations", max_iterations)
    if max_seconds is not None:
        max_seconds = real_number("max_seconds", max_seconds, above=0.0)
    rule, schedule = _rule_and_schedule(method, step_size)
    fixed = isinstance(schedule, Constant) and max_iterations is not None
    stopping: MaxIterations | ElboPlateau = (
        MaxIterations(max_iterations)
        if fixed and max_iterations is not None
        else ElboPlateau(max_iterations=max_iterations or 10_000, tolerance=tolerance)
    )
    seed = seed_of(random_seed)
    target = FitTarget.of(to_target(model, model_args, model_kwargs or {}, seed))
    middle = np.zeros(target.dim) if center is None else np.asarray(center, dtype=np.float64)
    if middle.shape != (target.dim,):
        raise OptionError(
            f"center has shape {middle.shape}; the model has {target.dim} coordinates"
        )
    results: list[OptimizeResult] = []
    generators = [np.random.default_rng([seed, chain]) for chain in range(chains)]
    started = time.perf_counter()
    with threadpool_limits(1, user_api="blas"):
        for generator in generators:
            if max_seconds is not None:
                left = max_seconds - (time.perf_counter() - started)
                stopping = replace(stopping, max_seconds=max(left, 1e-9))
            start = FactorizedMixture.start(
                generator, num_components, middle, spread=spread, variance=variance, dtype=dtype
            )
            results.append(
                optimize_factorized(
                    target,
                    start,
                    rule=rule,
                    schedule=schedule,
                    stopping=stopping,
                    generator=generator,
                    num_samples=num_samples,
                    curvature=(
                        CollectiveCurvature(generator, target.dim)
                        if isinstance(rule, RelativeStep)
                        else None
                    ),
                    callback=callback,
                )
            )
            if results[-1].stop_reason in (StopReason.INTERRUPTED, StopReason.MAX_SECONDS):
                break
        for reason in dict.fromkeys(result.stop_reason for result in results):
            if reason in REMEDIES and not (fixed and reason is StopReason.MAX_ITERATIONS):
                message = f"isogmm: {reason.event}{REMEDIES[reason]}"
                warn_user(message)
        from isogmm.recipe.factorized_result import to_result

        return to_result(target, results, generators[: len(results)], draws, seed, begin)


def _rule_and_schedule(
    method: Any, step_size: float
) -> tuple[AbstractUpdateRule, AbstractSchedule]:
    rule = find_rule(method)
    if rule.step_size is not None:
        return rule, Constant(rule.step_size)
    return RelativeStep(TrustRegion(rule)), ConstantThenLinearDecay(
        step_size, longest_tail=LONGEST_TAIL
    )
