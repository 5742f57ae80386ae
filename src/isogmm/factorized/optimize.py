"""The loop for factorized mixtures, with the rules, schedules and stopping rules of the rest."""

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from isogmm.errors import DeadlineReachedError, OptionError
from isogmm.factorized.gradients import factorized_gradients, propose
from isogmm.factorized.mixture import FactorizedMixture
from isogmm.gradients.base import ComponentGradients
from isogmm.result import StopReason
from isogmm.schedules import AbstractSchedule
from isogmm.stopping import AbstractStopping, Window, summarize_window
from isogmm.target import Target
from isogmm.updates.base import AbstractUpdateRule, MixtureArrays

HISTORY = ("iteration", "elbo", "elbo_se", "step_size", "gradient_evaluations", "seconds")


@dataclass(frozen=True)
class FactorizedResult:
    """What :func:`optimize_factorized` returns.

    Parameters
    ----------
    mixture
        The fitted mixture.
    history
        One entry per window: iteration, elbo, elbo_se, step_size, gradient_evaluations, seconds.
    stop_reason
        Why the loop ended.
    iterations
        Iterations done.
    """

    mixture: FactorizedMixture
    history: Mapping[str, np.ndarray]
    stop_reason: StopReason
    iterations: int


class _Run:
    """Where a fit stands, and how it takes an iteration."""

    def __init__(
        self,
        target: Target,
        mixture: FactorizedMixture,
        rule: AbstractUpdateRule,
        generator: np.random.Generator,
        num_samples: int,
    ) -> None:
        self.target, self.rule, self.generator = target, rule, generator
        self.num_samples = num_samples
        self.current = self.average = mixture
        # Every coordinate is a mixture in one dimension: the rules take d of them at a time.
        log_weight = np.asarray(-math.log(mixture.num_components), dtype=mixture.means.dtype)
        self.log_weights = np.broadcast_to(log_weight, (mixture.dim, mixture.num_components))
        self.state = rule.init(self._as_chains(mixture.means, mixture.variances))
        self.iterations = 0
        self.started = time.perf_counter()
        self.evaluations_before = target.num_gradient_evaluations
        self.history: dict[str, list[Any]] = {name: [] for name in HISTORY}

    def _as_chains(self, means: np.ndarray, variances: np.ndarray) -> MixtureArrays:
        return MixtureArrays(means.T[..., None], variances.T, self.log_weights)

    def iteration(self, step_size: float, averaging: float) -> float:
        """One iteration; returns its ELBO estimate."""
        means, variances = self.current.means, self.current.variances
        points = propose(self.generator, means, variances, self.num_samples)
        log_density, gradient = self.target.evaluate(points.positions)
        found = factorized_gradients(points, log_density, gradient, means, variances)
        gradients = ComponentGradients(
            means=found.means.T[..., None],
            variances=found.variances.T,
            local_kl=self.log_weights,
            num_finite=found.num_finite,
        )
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            arrays = self._as_chains(means, variances)
            updated, state = self.rule.step(arrays, gradients, self.state, step_size)
        new_means = np.ascontiguousarray(updated.means[..., 0].T)
        new_variances = np.ascontiguousarray(updated.variances.T)
        smallest = float(new_variances.min())
        if not (found.num_finite and np.isfinite(new_means.sum() + new_variances.sum())):
            raise FloatingPointError
        if not smallest > 0:
            raise FloatingPointError
        # The moves of the fit, last: an interrupt comes before them or after.
        self.current, self.state = FactorizedMixture(new_means, new_variances), state
        self.average = (
            self.current if averaging == 1.0 else _mixed(self.average, self.current, averaging)
        )
        self.iterations += 1
        return found.elbo

    def window(
        self,
        length: int,
        step_size: Callable[[int], float],
        deadline: float,
        averaging: Callable[[int], float],
    ) -> Window:
        """Some iterations, summarized and entered in the history."""
        elbos = []
        for _ in range(length):
            gamma = step_size(self.iterations)
            elbos.append([self.iteration(gamma, averaging(self.iterations))])
            if self.seconds() >= deadline:
                break
        window = summarize_window(np.array(elbos))
        entries = (
            self.iterations,
            window.elbo[0],
            window.elbo_se[0],
            gamma,
            self.target.num_gradient_evaluations - self.evaluations_before,
            self.seconds(),
        )
        for name, value in zip(HISTORY, entries, strict=True):
            self.history[name].append(value)
        return window

    def seconds(self) -> float:
        """Seconds since the start."""
        return time.perf_counter() - self.started


def _mixed(old: FactorizedMixture, new: FactorizedMixture, share: float) -> FactorizedMixture:
    kept = np.asarray(1.0 - share, dtype=old.means.dtype)
    added = np.asarray(share, dtype=old.means.dtype)
    return FactorizedMixture(
        kept * old.means + added * new.means, kept * old.variances + added * new.variances
    )


def optimize_factorized(
    target: Target,
    mixture: FactorizedMixture,
    *,
    rule: AbstractUpdateRule,
    schedule: AbstractSchedule,
    stopping: AbstractStopping,
    generator: np.random.Generator,
    num_samples: int = 1,
    callback: Callable[[Window, FactorizedMixture], Any] | None = None,
) -> FactorizedResult:
    """Fit a factorized mixture to a target.

    An iteration takes K S gradients of the target and O(K² S d) arithmetic without any matrix;
    memory is a few arrays of K S d numbers.  IBW and MD are the rules of
    :mod:`isogmm.updates`, applied to every coordinate as a mixture in one dimension:
    m_kj ← m_kj - γ g_kj, v_kj ← (1 - γ s_kj)² v_kj or v_kj exp(-γ s_kj).

    Parameters
    ----------
    target
        The log density; it may be a minibatch estimate that changes from call to call.
    mixture
        The start; its type is the type of the arithmetic.
    rule, schedule, stopping
        As for :func:`isogmm.optimize.optimize`.
    generator
        Source of the noise.
    num_samples
        S, groups of K points an iteration; an even number comes in antithetic pairs.
    callback
        Called after each window with its summary and the fit so far; True ends the fit.

    Returns
    -------
    FactorizedResult
        Also after an interrupt or numerical trouble: the fit so far, with the reason.

    Raises
    ------
    OptionError
        If the dimensions do not agree, or there is no sample.
    """
    if mixture.dim != target.dim:
        raise OptionError(f"the start has {mixture.dim} coordinates, the target {target.dim}")
    if num_samples < 1:
        raise OptionError(f"num_samples must be at least 1, not {num_samples}")
    run = _Run(target, mixture, rule, generator, num_samples)
    try:
        reason = _main_phase(run, schedule, stopping, callback)
        _tail(run, schedule, stopping, callback)
    except FloatingPointError:
        reason = StopReason.NON_FINITE
    except DeadlineReachedError:
        reason = StopReason.MAX_SECONDS
    except (KeyboardInterrupt, StopIteration):
        reason = StopReason.INTERRUPTED
    history = {name: np.array(values) for name, values in run.history.items()}
    return FactorizedResult(run.average, history, reason, run.iterations)


def _tell(run: _Run, window: Window, callback: Callable[..., Any] | None) -> None:
    if callback is not None and callback(window, run.average) is True:
        raise StopIteration


def _main_phase(
    run: _Run,
    schedule: AbstractSchedule,
    stopping: AbstractStopping,
    callback: Callable[..., Any] | None,
) -> StopReason:
    limit = math.inf
    if stopping.max_iterations is not None:
        limit = schedule.main_length(stopping.max_iterations)
    deadline = (stopping.max_seconds or math.inf) * schedule.main_share()
    windows: list[Window] = []
    while True:
        length = int(min(stopping.window_length(len(windows)), limit - run.iterations))
        windows.append(run.window(length, schedule.step_size, deadline, lambda _: 1.0))
        _tell(run, windows[-1], callback)
        reason = stopping.decide(windows)
        if reason is not None:
            return reason
        if run.iterations >= limit:
            return StopReason.MAX_ITERATIONS
        if run.seconds() >= deadline:
            return StopReason.MAX_SECONDS


def _tail(
    run: _Run,
    schedule: AbstractSchedule,
    stopping: AbstractStopping,
    callback: Callable[..., Any] | None,
) -> None:
    """The step size falls to zero; iterates are averaged with weights that grow linearly."""
    done = run.iterations
    total = schedule.tail_length(done)
    if stopping.max_iterations is not None:
        total = min(total, stopping.max_iterations - done)
    if total < 1:
        return
    largest = schedule.step_size(done)
    deadline = stopping.max_seconds or math.inf
    while (position := run.iterations - done) < total and run.seconds() < deadline:
        window = run.window(
            min(math.ceil(total / 4), total - position),
            lambda iteration: largest * (1.0 - (iteration - done) / total),
            deadline,
            lambda iteration: 2.0 / (iteration - done + 2.0),
        )
        _tell(run, window, callback)
