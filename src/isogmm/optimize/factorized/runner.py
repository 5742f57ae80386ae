"""Optimization of factorized mixtures, with the rules and schedules of isotropic mixtures."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from isogmm.errors import OptionError
from isogmm.mixtures.factorized import FactorizedMixture
from isogmm.model.target import Target
from isogmm.optimize.algorithm import AbstractAlgorithm
from isogmm.optimize.factorized.curvature import CollectiveCurvature
from isogmm.optimize.factorized.gradients import Points, factorized_gradients, propose
from isogmm.optimize.gradients.base import ComponentGradients
from isogmm.optimize.iteration import WeightsRule
from isogmm.optimize.loop import Observer, OptimizeResult, run_windows
from isogmm.optimize.runner import AbstractRunner, WindowPlan
from isogmm.optimize.schedules import AbstractSchedule
from isogmm.optimize.stopping import AbstractStopping
from isogmm.optimize.updates.base import IsotropicRule, MixtureArrays, RuleState
from isogmm.validation import generator_of


class FactorizedRunner(AbstractRunner[FactorizedMixture]):
    """The optimization of one chain.

    Parameters
    ----------
    target, mixture, rule, generator, num_samples, curvature
        As for :func:`optimize_factorized`.
    """

    def __init__(
        self,
        target: Target,
        mixture: FactorizedMixture,
        rule: IsotropicRule,
        generator: np.random.Generator,
        num_samples: int,
        curvature: CollectiveCurvature | None = None,
    ) -> None:
        super().__init__(target)
        self.rule, self.generator, self.num_samples = rule, generator, num_samples
        self.curvature = curvature
        self.current = self.average = mixture
        self.is_valid = True
        # For the rules, each coordinate is a chain with a mixture in one dimension.
        log_weight = np.asarray(-math.log(mixture.num_components), dtype=mixture.means.dtype)
        self.log_weights = np.broadcast_to(log_weight, (mixture.dim, mixture.num_components))
        self.state = rule.init(self._as_chains(mixture.means, mixture.variances))

    def _as_chains(self, means: np.ndarray, variances: np.ndarray) -> MixtureArrays:
        """The arrays of d mixtures in one dimension, with shapes (d, k, 1) and (d, k)."""
        return MixtureArrays(means.T[..., None], variances.T, self.log_weights)

    def iterate(self, plan: WindowPlan, done: int) -> tuple[list[np.ndarray], list[int]]:
        """One iteration: its ELBO estimate (1,) and the number of points with a finite density.

        A step whose result is not a mixture is discarded.  The remaining iterations of the window
        then do nothing, and the loop ends with the window.
        """
        elbo, num_finite = self._step(plan.step_sizes[done], plan.averaging[done])
        return [np.array([elbo])], [num_finite]

    def _step(self, step_size: float, averaging: float) -> tuple[float, int]:
        """One step: the ELBO estimate and the number of points with a finite density."""
        if not self.is_valid:
            return math.nan, 0
        means, variances = self.current.means, self.current.variances
        points = propose(self.generator, means, variances, self.num_samples)
        log_density, gradient = self._evaluate(points)
        found = factorized_gradients(points, log_density, gradient, means, variances)
        if self.curvature is not None:
            step_size = min(step_size, self.curvature.largest_step())
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
        is_mixture = np.isfinite(new_means.sum() + new_variances.sum()) and new_variances.min() > 0
        self.is_valid = bool(found.num_finite and is_mixture)
        if self.is_valid:
            # The fit changes only here, after the arithmetic.  An interrupt during the arithmetic
            # keeps the fit of the last iteration.
            self.current, self.state = FactorizedMixture(new_means, new_variances), state
            self.average = (
                self.current
                if averaging == 1.0
                else _averaged(self.average, self.current, averaging)
            )
            self.iterations += 1
        return found.elbo, found.num_finite

    def _evaluate(self, points: Points) -> tuple[np.ndarray, np.ndarray]:
        """The target at the points; the same call evaluates the probe of the curvature."""
        curvature = self.curvature
        if curvature is None or not curvature.is_due(self.iterations):
            return self.target.evaluate(points.positions)
        shape = points.positions.shape
        flat = points.positions.reshape(-1, shape[-1])
        scales = np.sqrt(self.current.variances.mean(axis=0))
        shifted = curvature.probe(flat[0], scales)[None].astype(flat.dtype)
        values, gradients = self.target.evaluate(np.concatenate([flat, shifted]))
        if np.isfinite(values[[0, -1]]).all():
            curvature.learn(gradients[0], gradients[-1], scales)
        return values[:-1].reshape(shape[:-1]), gradients[:-1].reshape(shape)

    def mixture(self) -> FactorizedMixture:
        """The running average of the mixtures."""
        return self.average

    def finite_samples(self, counts: Sequence[int]) -> tuple[bool, np.ndarray]:
        """Whether each iteration of a window had finite points, and how many were not finite."""
        num_points = self.num_samples * self.current.num_components
        return all(counts), np.array([num_points * len(counts) - sum(counts)])

    def rule_state(self) -> RuleState:
        """State of the update rule."""
        return self.state

    def is_finite(self) -> bool:
        """Whether the result of every step so far was a mixture."""
        return self.is_valid


def _averaged(old: FactorizedMixture, new: FactorizedMixture, share: float) -> FactorizedMixture:
    """A mixture whose means and variances are (1 - share) old + share new."""
    kept = np.asarray(1.0 - share, dtype=old.means.dtype)
    added = np.asarray(share, dtype=old.means.dtype)
    return FactorizedMixture(
        kept * old.means + added * new.means, kept * old.variances + added * new.variances
    )


@dataclass(frozen=True)
class FactorizedAlgorithm(AbstractAlgorithm):
    """The algorithm of factorized mixtures: gradients of one chain, and steps by an update rule.

    Parameters
    ----------
    rule, schedule, stopping
        As for :func:`isogmm.optimize.optimize`.
    num_samples
        Number S of groups of K points per iteration.
    bounds_steps
        Whether :class:`CollectiveCurvature` bounds the step size.
    """

    rule: IsotropicRule
    schedule: AbstractSchedule
    stopping: AbstractStopping
    num_samples: int = 1
    bounds_steps: bool = True

    def runner(
        self,
        target: Target,
        mixture: FactorizedMixture,
        generator: np.random.Generator,
        weights: WeightsRule | None = None,
    ) -> FactorizedRunner:
        """The runner of a fit; all weights stay equal, so ``weights`` has no effect."""
        curvature = CollectiveCurvature(generator, target.dim) if self.bounds_steps else None
        return FactorizedRunner(target, mixture, self.rule, generator, self.num_samples, curvature)


def optimize_factorized(
    target: Target,
    mixture: FactorizedMixture,
    *,
    rule: IsotropicRule,
    schedule: AbstractSchedule,
    stopping: AbstractStopping,
    generator: object,
    num_samples: int = 1,
    curvature: CollectiveCurvature | None = None,
    callback: Observer | None = None,
) -> OptimizeResult:
    """Fit a factorized mixture to a target.

    An iteration costs K S gradients of the target and O(K² S d) operations.  It uses no matrices,
    and the memory of a few arrays of K S d numbers.  IBW and MD are the rules of
    :mod:`isogmm.updates`, applied to each coordinate as a mixture in one dimension:
    m_kj ← m_kj - γ g_kj, v_kj ← (1 - γ s_kj)² v_kj or v_kj exp(-γ s_kj).

    Parameters
    ----------
    target
        The log density.  It may be a minibatch estimate that changes from call to call, with the
        same rows for all points of a call.  After T iterations of the tail the means have an error
        of about sqrt(n / (b T)) sds for minibatches of b of n rows.
    mixture
        The start.  The type of its arrays is the type of the arithmetic.
    rule, schedule, stopping
        As for :func:`isogmm.optimize.optimize`.
    generator
        As for :func:`isogmm.optimize.optimize`.
    num_samples
        Number S of groups of K points per iteration.  An even number gives antithetic pairs.
    curvature
        Bounds the step size by the curvature along joint moves of all means.  None sets no bound.
    callback
        Function called after each window with a :class:`isogmm.optimize.check.Check`.  If it
        returns True, the fit ends.

    Returns
    -------
    OptimizeResult
        The result of one chain.  After an interrupt or a numerical error it has the last finite
        mixture and the reason.

    Raises
    ------
    OptionError
        If the dimensions do not agree, or ``num_samples`` is below 1.
    """
    if mixture.dim != target.dim:
        raise OptionError(
            f"the initial mixture has {mixture.dim} coordinates, but the model has {target.dim}"
        )
    if num_samples < 1:
        raise OptionError(f"num_samples must be at least 1, not {num_samples}")
    source = generator_of(generator)
    runner = FactorizedRunner(target, mixture, rule, source, num_samples, curvature)
    observers = [] if callback is None else [callback]
    return run_windows(runner, schedule, stopping, observers=observers)
