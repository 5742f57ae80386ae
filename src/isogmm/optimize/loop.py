"""The optimization loop: windows of iterations, with a check after each window."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from isogmm.arrays import Array
from isogmm.model.interrupts import check_interrupt
from isogmm.optimize.check import HISTORY, Check, asks_to_end
from isogmm.optimize.runner import AbstractRunner, WhiteningAdaptation, WindowPlan
from isogmm.optimize.schedules import AbstractSchedule
from isogmm.optimize.stopping import AbstractStopping, Window, summarize_window
from isogmm.results.interruption import interruptible
from isogmm.results.stop_reason import StopReason

#: Number of windows of the tail, so that a long tail can be watched and interrupted.
TAIL_WINDOWS = 4

#: Sees a check after every window; see :func:`isogmm.optimize.check.asks_to_end`.
Observer = Callable[[Check], Any]


@dataclass(frozen=True)
class OptimizeResult:
    """The result of an optimization.

    Parameters
    ----------
    mixture
        The fitted mixture, in the coordinates of its last affine map.
    history
        One entry per check: ``iteration``, ``step_size``, ``gradient_evaluations``, ``seconds``
        of shape (checks,); ``elbo``, ``elbo_se``, ``nonfinite`` of shape (checks, chains).
    stop_reason
        Why the loop ended.
    iterations
        Iterations done.
    rule_state
        Final state of the rule (for NGD the number of bounded steps).
    missed_share
        Share of the positions of random-walk chains that the mixture misses, if chains ran.
    """

    mixture: Any
    history: Mapping[str, np.ndarray]
    stop_reason: StopReason
    iterations: int
    rule_state: Any
    missed_share: float = 0.0


def run_windows(
    runner: AbstractRunner,
    schedule: AbstractSchedule,
    stopping: AbstractStopping,
    whitening: WhiteningAdaptation | None = None,
    observers: Sequence[Observer] = (),
) -> OptimizeResult:
    """Iterate a runner window by window until the stopping rule, a budget or an observer ends it.

    Parameters
    ----------
    runner
        The optimization.
    schedule, stopping
        Step sizes, and the decision after each window.
    whitening
        Adapts the affine map between windows; None keeps it.
    observers
        Called after each window with a :class:`Check`; one that returns True or raises
        StopIteration ends the optimization.

    Returns
    -------
    OptimizeResult
        After an interrupt or numerical trouble: the mixture so far, or the last finite one.
    """
    windows = _Windows(runner, schedule, stopping, whitening, observers)
    with interruptible(runner.target, has_result=True) as interruption:
        for plan in windows.planned():
            elbos: list[Array] = []
            counts: list[Any] = []
            while len(elbos) < plan.length and (not elbos or runner.seconds() < plan.deadline):
                check_interrupt()  # a compiled block has none of its own
                new_elbos, new_counts = runner.iterate(plan, len(elbos))
                elbos += new_elbos
                counts += new_counts
            windows.record(plan, elbos, counts)
    return windows.result(interruption.reason)


class _Windows:
    """The windows of one optimization: which comes next, and what was recorded so far."""

    def __init__(
        self,
        runner: AbstractRunner,
        schedule: AbstractSchedule,
        stopping: AbstractStopping,
        whitening: WhiteningAdaptation | None,
        observers: Sequence[Observer],
    ) -> None:
        self.runner, self.schedule, self.stopping = runner, schedule, stopping
        self.whitening, self.observers = whitening, observers
        self.last_finite = runner.mixture()
        self.windows: list[Window] = []
        self.history: dict[str, list] = {name: [] for name in HISTORY}
        #: Why the main phase ended, and why a check ended the optimization early.
        self.reason: StopReason | None = None
        self.ended_by: StopReason | None = None

    def planned(self) -> Iterator[WindowPlan]:
        """The windows of the main phase, then those of the tail."""
        yield from self._main_phase()
        if self.ended_by is None:
            yield from self._tail()

    def _main_phase(self) -> Iterator[WindowPlan]:
        """Windows at the step size of the schedule, until the stopping rule or a budget ends it."""
        runner, limit = self.runner, math.inf
        if self.stopping.max_iterations is not None:
            limit = self.schedule.main_length(self.stopping.max_iterations)
        deadline = (self.stopping.max_seconds or math.inf) * self.schedule.main_share()
        while self.reason is None:
            length = self.stopping.window_length(len(self.windows))
            length = int(min(length, limit - runner.iterations))
            first = runner.iterations
            collector = self.whitening.collector() if self.whitening is not None else None
            yield WindowPlan(
                [self.schedule.step_size(first + index) for index in range(length)],
                [1.0] * length,
                deadline,
                collector=collector,
            )
            if self.ended_by is not None:
                return
            self.reason = self.stopping.decide(self.windows)
            if self.reason is None and runner.iterations >= limit:
                self.reason = StopReason.MAX_ITERATIONS
            if self.reason is None and runner.seconds() >= deadline:
                self.reason = StopReason.MAX_SECONDS
            if self.reason is None and collector is not None:
                runner.adapt(collector)
                self.last_finite = runner.mixture()

    def _tail(self) -> Iterator[WindowPlan]:
        """Windows in which the step size falls linearly to zero and the iterates are averaged.

        Weights in the average grow linearly, because early iterates may be far from the end.
        """
        runner, done = self.runner, self.runner.iterations
        total = self.schedule.tail_length(done)
        if self.stopping.max_iterations is not None:
            total = min(total, self.stopping.max_iterations - done)
        largest = self.schedule.step_size(done)
        deadline = self.stopping.max_seconds or math.inf
        while (position := runner.iterations - done) < total and runner.seconds() < deadline:
            length = min(math.ceil(total / TAIL_WINDOWS), total - position)
            places = range(position, position + length)
            yield WindowPlan(
                [largest * (1.0 - place / total) for place in places],
                [2.0 / (place + 2.0) for place in places],
                deadline,
                in_tail=True,
            )
            if self.ended_by is not None:
                return

    def record(self, plan: WindowPlan, elbos: list[Array], counts: list[Any]) -> None:
        """Summarize a window and show it to the observers; a window without finite samples ends
        the optimization."""
        runner = self.runner
        window = summarize_window(np.asarray(np.stack(elbos), dtype=np.float64))
        all_seen, missing = runner.finite_samples(counts)
        if not plan.in_tail:
            self.windows.append(window)
        is_good = runner.is_finite() and all_seen
        if is_good:
            self.last_finite = runner.mixture()
        check = Check(
            iteration=runner.iterations,
            elbo=window.elbo,
            elbo_se=window.elbo_se,
            step_size=plan.step_sizes[len(elbos) - 1],
            gradient_evaluations=runner.gradient_evaluations(),
            seconds=runner.seconds(),
            nonfinite=missing,
            mixture=self.last_finite,
            in_tail=plan.in_tail,
        )
        for name in HISTORY:
            self.history[name].append(getattr(check, name))
        if not is_good:
            self.ended_by = StopReason.NON_FINITE
        elif any(asks_to_end(observer, check) for observer in self.observers):
            self.ended_by = StopReason.CALLBACK

    def result(self, interruption: StopReason | None) -> OptimizeResult:
        """The mixture, its history and the reason why the optimization ended."""
        runner = self.runner
        reason = interruption or self.ended_by or self.reason or StopReason.INTERRUPTED
        keeps = reason is not StopReason.NON_FINITE and runner.is_finite()
        return OptimizeResult(
            mixture=runner.mixture() if keeps else self.last_finite,
            history={name: np.array(values) for name, values in self.history.items()},
            stop_reason=reason,
            iterations=runner.iterations,
            rule_state=runner.rule_state(),
        )
