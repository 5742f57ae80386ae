"""The only loop: windows of iterations around ``Target.evaluate``, checks between them."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from isogmm.errors import DeadlineReachedError, OptionError
from isogmm.model.target import Target
from isogmm.optimize.backends import ARRAY_BACKENDS
from isogmm.optimize.check import HISTORY, Check, asks_to_end
from isogmm.optimize.gradients.base import AbstractEstimator
from isogmm.optimize.iteration import Runner, WeightsRule, WhiteningAdaptation
from isogmm.optimize.runner import AbstractRunner
from isogmm.optimize.schedules import AbstractSchedule
from isogmm.optimize.stopping import AbstractStopping, Window, summarize_window
from isogmm.optimize.updates.base import AbstractUpdateRule
from isogmm.results.stop_reason import StopReason

#: The tail is cut into this many windows, so that a long one can be watched and interrupted.
TAIL_WINDOWS = 4


@dataclass(frozen=True)
class OptimizeResult:
    """What :func:`optimize` returns.

    Parameters
    ----------
    mixture
        The fitted mixture, with the affine map it ended in.
    history
        One entry per check: ``iteration``, ``step_size``, ``gradient_evaluations``, ``seconds``
        of shape (checks,); ``elbo``, ``elbo_se``, ``nonfinite`` of shape (checks, chains).
    stop_reason
        Why the loop ended.
    iterations
        Iterations done.
    rule_state
        Final state of the rule (for NGD the number of guarded steps).
    """

    mixture: Any
    history: Mapping[str, np.ndarray]
    stop_reason: StopReason
    iterations: int
    rule_state: Any


class _FitEndedError(Exception):
    """Ends the fit from wherever the reason shows."""

    def __init__(self, reason: StopReason) -> None:
        self.reason = reason


class _Loop:
    """Windows, what runs between them, and the budgets."""

    def __init__(
        self,
        runner: AbstractRunner,
        schedule: AbstractSchedule,
        stopping: AbstractStopping,
        whitening: WhiteningAdaptation | None,
        observers: list[Callable[[Check], Any]],
    ) -> None:
        self.runner, self.schedule, self.stopping = runner, schedule, stopping
        self.whitening, self.observers = whitening, observers
        self.good = runner.mixture()
        self.windows: list[Window] = []
        self.history: dict[str, list] = {name: [] for name in HISTORY}

    def main_phase(self) -> StopReason:
        """Windows at the step size of the schedule until the stopping rule or a budget ends it."""
        runner, limit = self.runner, math.inf
        if self.stopping.max_iterations is not None:
            limit = self.schedule.main_length(self.stopping.max_iterations)
        deadline = (self.stopping.max_seconds or math.inf) * self.schedule.main_share()
        while True:
            length = self.stopping.window_length(len(self.windows))
            length = int(min(length, limit - runner.iterations))
            collector = self.whitening.collector() if self.whitening is not None else None
            self._window(length, self.schedule.step_size, deadline, collector=collector)
            reason = self.stopping.decide(self.windows)
            if reason is not None:
                return reason
            if runner.iterations >= limit:
                return StopReason.MAX_ITERATIONS
            if runner.seconds() >= deadline:
                return StopReason.MAX_SECONDS
            if collector is not None:
                runner.adapt(collector)
                self.good = runner.mixture()

    def tail(self) -> None:
        """Windows in which the step size falls to zero and the iterates are averaged."""
        runner, done = self.runner, self.runner.iterations
        total = self.schedule.tail_length(done)
        if self.stopping.max_iterations is not None:
            total = min(total, self.stopping.max_iterations - done)
        largest = self.schedule.step_size(done)
        deadline = self.stopping.max_seconds or math.inf
        while (position := runner.iterations - done) < total and runner.seconds() < deadline:
            length = min(math.ceil(total / TAIL_WINDOWS), total - position)
            self._window(
                length,
                lambda iteration: largest * (1.0 - (iteration - done) / total),
                deadline,
                tail_begin=done,
            )

    def _window(
        self,
        length: int,
        step_size: Callable[[int], float],
        deadline: float,
        *,
        collector: Any = None,
        tail_begin: int | None = None,
    ) -> None:
        runner, begin = self.runner, self.runner.iterations
        iterations = range(begin, begin + length)
        gammas = [step_size(iteration) for iteration in iterations]
        averagings = [1.0] * length
        if tail_begin is not None:
            # Weights that grow linearly: early iterates of the tail may still be on the way.
            averagings = [2.0 / (iteration - tail_begin + 2.0) for iteration in iterations]
        elbos, counts = runner.window(gammas, averagings, deadline, collector)
        self._check(elbos, counts, gammas[len(elbos) - 1], tail_begin is not None)

    def _check(self, elbos: Any, counts: Any, gamma: float, in_tail: bool) -> None:
        """Summarize a window, tell the observers, and stop where the fit is beyond repair."""
        runner = self.runner
        window = summarize_window(np.asarray(elbos, dtype=np.float64))
        all_seen, missing = runner.finite_samples(counts)
        if not in_tail:
            self.windows.append(window)
        is_good = runner.is_finite() and all_seen
        if is_good:
            self.good = runner.mixture()
        check = Check(
            iteration=runner.iterations,
            elbo=window.elbo,
            elbo_se=window.elbo_se,
            step_size=gamma,
            gradient_evaluations=runner.gradient_evaluations(),
            seconds=runner.seconds(),
            nonfinite=missing,
            mixture=self.good,
            in_tail=in_tail,
        )
        for name in HISTORY:
            self.history[name].append(getattr(check, name))
        if not is_good:
            raise _FitEndedError(StopReason.NON_FINITE)
        for observer in self.observers:
            if asks_to_end(observer, check):
                raise _FitEndedError(StopReason.INTERRUPTED)


def check_arguments(target: Target, mixture: Any, generator: Any, array_backend: str) -> None:
    """Refuse a start that does not fit the target, and unknown options."""
    if mixture.means.ndim != 3:
        raise OptionError(
            f"the means of the start must have shape (chains, k, d), not {mixture.means.shape}"
        )
    if mixture.dim != target.dim:
        raise OptionError(
            f"the start has {mixture.dim} coordinates, the target {target.dim}: they must agree"
        )
    if not isinstance(generator, np.random.Generator):
        raise OptionError(
            f"generator must be a numpy.random.Generator, not {type(generator).__name__}: "
            "make one with numpy.random.default_rng(seed)"
        )
    if array_backend not in ARRAY_BACKENDS:
        raise OptionError(
            f"unknown array_backend {array_backend!r}: choose one of {', '.join(ARRAY_BACKENDS)}"
        )


def optimize(
    target: Target,
    mixture: Any,
    *,
    estimator: AbstractEstimator,
    rule: AbstractUpdateRule,
    schedule: AbstractSchedule,
    stopping: AbstractStopping,
    generator: np.random.Generator,
    whitening: WhiteningAdaptation | None = None,
    weights: WeightsRule | None = None,
    callback: Callable[[Check], Any] | None = None,
    checkpoint: Callable[[Check], Any] | None = None,
    array_backend: str = "numpy",
) -> OptimizeResult:
    """Fit mixtures of Gaussians, one for each chain, to a target.

    Each iteration evaluates the samples of all components of all chains in one call of
    ``target.evaluate``.  Iterations come in windows; the ELBO summary, the callback, the
    checkpoint, the stopping rule and the adaptation of the whitening run between them.  When
    the main phase ends the step size winds down over the tail of the schedule, and the iterates
    of the tail are averaged with weights that grow linearly.

    Parameters
    ----------
    target
        The log density.
    mixture
        The start, means of shape (c, k, d), in the coordinates of its affine map: an
        :class:`isogmm.IsotropicMixture`, or one of another family with a rule of that family.
        Its type is the type of the arithmetic.
    estimator, rule, schedule, stopping
        The four parts of the algorithm.
    generator
        Source of the noise; the same state gives the same numbers.
    whitening
        Adapts the map between windows; None keeps the one of the start.
    weights
        Learns the weights; None keeps those of the start.
    callback
        Called after each window with a :class:`Check`; returning True or raising StopIteration
        ends the fit.
    checkpoint
        Called likewise, for its side effect.
    array_backend
        ``"numpy"``, or ``"jax"``: the same arithmetic as one compiled program.

    Returns
    -------
    OptimizeResult
        Also after an interrupt (Ctrl-C) or numerical trouble: the fit so far, or the last
        mixture that was good, with the reason.

    Raises
    ------
    OptionError
        If the shapes of the start and the target do not agree, or an option is unknown.
    """
    check_arguments(target, mixture, generator, array_backend)
    backend = ARRAY_BACKENDS[array_backend](rule, weights, mixture.means.dtype)
    runner = Runner(target, mixture, estimator, backend, rule, generator)
    return drive(runner, schedule, stopping, whitening, callback=callback, checkpoint=checkpoint)


def drive(
    runner: AbstractRunner,
    schedule: AbstractSchedule,
    stopping: AbstractStopping,
    whitening: WhiteningAdaptation | None = None,
    *,
    callback: Callable[[Check], Any] | None = None,
    checkpoint: Callable[[Check], Any] | None = None,
) -> OptimizeResult:
    """The loop around anything that can take an iteration; see :func:`optimize`."""
    observers = [observer for observer in (checkpoint, callback) if observer is not None]
    loop = _Loop(runner, schedule, stopping, whitening, observers)
    try:
        reason = loop.main_phase()
        loop.tail()
    except _FitEndedError as stop:
        reason = stop.reason
    except DeadlineReachedError:
        reason = StopReason.MAX_SECONDS
    except KeyboardInterrupt:
        reason = StopReason.INTERRUPTED
    keeps = reason is not StopReason.NON_FINITE and runner.is_finite()
    return OptimizeResult(
        mixture=runner.mixture() if keeps else loop.good,
        history={name: np.array(values) for name, values in loop.history.items()},
        stop_reason=reason,
        iterations=runner.iterations,
        rule_state=runner.rule_state(),
    )
