"""Algorithms: what makes the runner of a fit, and how long it runs."""

import abc
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from isogmm.errors import OptionError
from isogmm.mixtures.abstract import AbstractMixture
from isogmm.model.target import Target
from isogmm.optimize.backends import ARRAY_BACKENDS
from isogmm.optimize.check import Check
from isogmm.optimize.gradient_runner import GradientRunner
from isogmm.optimize.gradients.base import AbstractEstimator
from isogmm.optimize.gradients.score_function import ScoreFunction
from isogmm.optimize.iteration import Rules, WeightsRule
from isogmm.optimize.loop import OptimizeResult, run_windows
from isogmm.optimize.runner import AbstractRunner, WhiteningAdaptation
from isogmm.optimize.schedules import AbstractSchedule
from isogmm.optimize.stopping import AbstractStopping
from isogmm.optimize.updates.base import AbstractUpdateRule
from isogmm.validation import generator_of


class AbstractAlgorithm(abc.ABC):
    """How a mixture is optimized, whatever its family."""

    #: Step size of every iteration.
    schedule: AbstractSchedule
    #: Window lengths, budgets, and the decision after each window.
    stopping: AbstractStopping

    @abc.abstractmethod
    def runner(
        self,
        target: Target,
        mixture: Any,
        generator: np.random.Generator,
        weights: WeightsRule | None = None,
    ) -> AbstractRunner:
        """The optimization of a start; ``weights`` learns the weights, None keeps them."""


@dataclass(frozen=True)
class Algorithm(AbstractAlgorithm):
    """Gradients by an estimator, steps by an update rule.

    Parameters
    ----------
    estimator, rule, schedule, stopping
        The four parts.
    array_backend
        ``"numpy"``, or ``"jax"``: the same arithmetic as one compiled program.
    """

    estimator: AbstractEstimator
    rule: AbstractUpdateRule
    schedule: AbstractSchedule
    stopping: AbstractStopping
    array_backend: str = "numpy"

    def runner(
        self,
        target: Target,
        mixture: AbstractMixture,
        generator: np.random.Generator,
        weights: WeightsRule | None = None,
    ) -> GradientRunner:
        """See :class:`AbstractAlgorithm`.

        Raises
        ------
        OptionError
            If the shapes of the start and the target do not agree, or an option is unknown.
        """
        validate(target, mixture, self.array_backend)
        own = self.estimator if isinstance(self.estimator, ScoreFunction) else None
        rules = Rules(self.rule, weights, own)
        backend = ARRAY_BACKENDS[self.array_backend](rules, mixture.means.dtype)
        return GradientRunner(target, mixture, self.estimator, rules, backend, generator)


def validate(target: Target, mixture: AbstractMixture, array_backend: object) -> None:
    """Raise OptionError for a start that does not fit the target, and for unknown options."""
    if mixture.means.ndim != 3:
        raise OptionError(
            f"the means of the initial mixture must have shape (chains, k, d), not "
            f"{mixture.means.shape}"
        )
    if mixture.dim != target.dim:
        raise OptionError(
            f"the initial mixture has {mixture.dim} coordinates, but the model has {target.dim}"
        )
    if array_backend not in ARRAY_BACKENDS:
        raise OptionError(
            f"unknown array_backend {array_backend!r}: choose one of {', '.join(ARRAY_BACKENDS)}"
        )


def optimize(
    target: Target,
    mixture: AbstractMixture,
    *,
    estimator: AbstractEstimator,
    rule: AbstractUpdateRule,
    schedule: AbstractSchedule,
    stopping: AbstractStopping,
    generator: object,
    whitening: WhiteningAdaptation | None = None,
    weights: WeightsRule | None = None,
    callback: Callable[[Check], Any] | None = None,
    checkpoint: Callable[[Check], Any] | None = None,
    array_backend: str = "numpy",
) -> OptimizeResult:
    """Fit mixtures of Gaussians, one for each chain, to a target.

    Each iteration evaluates the samples of all components of all chains in one call of
    ``target.evaluate``.  The iterations are divided into windows.  Each window ends with the ELBO
    summary, the checkpoint, the callback, the stopping rule and the adaptation of the map.  After
    the main phase the step size falls to zero over the tail of the schedule.  The iterates of the
    tail are averaged with weights that grow linearly.

    Parameters
    ----------
    target
        The log density.
    mixture
        The start, means of shape (c, k, d), in the coordinates of its affine map: an
        :class:`isogmm.IsotropicMixture`, or a mixture of another family with a rule of that
        family.  Its type is the type of the arithmetic.
    estimator, rule, schedule, stopping
        The four parts of the algorithm.
    generator
        Source of the noise: a NumPy Generator, or a ``random_seed`` as in
        :func:`isogmm.fit_isogmm`.  The same state gives the same numbers.
    whitening
        Adapts the map between windows; None keeps the map of the start.
    weights
        Learns the weights; None keeps those of the start.
    callback
        Called after each window with a :class:`isogmm.optimize.check.Check`; returning True or
        raising StopIteration ends the fit.
    checkpoint
        Called likewise, before the callback.
    array_backend
        ``"numpy"``, or ``"jax"``: the same arithmetic as one compiled program.

    Returns
    -------
    OptimizeResult
        Also after an interrupt (Ctrl-C) or numerical trouble: the fit so far, or the last finite
        mixture, with the reason.

    Raises
    ------
    OptionError
        If the shapes of the start and the target do not agree, an option is unknown, or the map
        is adapted although the estimator uses no gradients.
    """
    if whitening is not None and not estimator.uses_gradient:
        raise OptionError(
            f"whitening= needs gradients, which {type(estimator).__name__} does not use: leave "
            "whitening= out"
        )
    algorithm = Algorithm(estimator, rule, schedule, stopping, array_backend)
    runner = algorithm.runner(target, mixture, generator_of(generator), weights)
    observers = [observer for observer in (checkpoint, callback) if observer is not None]
    return run_windows(runner, schedule, stopping, whitening, observers)
