"""Optimization in blocks: one compiled program runs many iterations, including the model.

:func:`isogmm.optimize.optimize` compiles the model only, and its loop is plain Python.  If an
evaluation of the model takes microseconds, most of the time is spent in that loop.  Here the
iterations of a block run as one program.  The results are the same up to rounding.
"""

import functools
from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np

from isogmm.arrays import Array
from isogmm.errors import OptionError
from isogmm.mixtures.affine_map import AffineMap
from isogmm.mixtures.isotropic import IsotropicMixture
from isogmm.model.target import Target
from isogmm.optimize.algorithm import validate
from isogmm.optimize.backends import JaxBackend
from isogmm.optimize.gradient_runner import GradientRunner
from isogmm.optimize.gradients.base import AbstractEstimator
from isogmm.optimize.iteration import Evaluation, Iterate, Rules, Step, WeightsRule, advance
from isogmm.optimize.loop import Observer, OptimizeResult, run_windows
from isogmm.optimize.runner import WindowPlan
from isogmm.optimize.schedules import AbstractSchedule
from isogmm.optimize.stopping import AbstractStopping
from isogmm.optimize.updates.base import AbstractUpdateRule
from isogmm.validation import generator_of

#: Largest number of iterations of a block.
MAX_BLOCK_LENGTH = 256

#: Largest number of random numbers of a block, which are in memory together.
MAX_BLOCK_NUMBERS = 2**21

#: Largest number of compiled programs that are kept, one for each pair of a model and rules.
MAX_PROGRAMS = 16

#: A compiled block: the last state, and the ELBO estimates and finite counts of each iteration.
Program: TypeAlias = Callable[..., tuple[Iterate, Array, Array]]


class Steps(NamedTuple):
    """Settings of the iterations of a block; see :class:`isogmm.optimize.iteration.Step`.

    Parameters
    ----------
    sizes
        Step size γ of each iteration.
    averaging
        Share of the new mixture in the running average after each iteration.
    """

    sizes: Array
    averaging: Array


@functools.lru_cache(maxsize=MAX_PROGRAMS)
def _program(log_density: Callable[[Array], Array], rules: Rules) -> Program:
    """The compiled block: the model and :func:`isogmm.optimize.iteration.advance`."""
    evaluate_rows = jax.vmap(jax.value_and_grad(log_density))

    def evaluate(positions: jax.Array) -> tuple[jax.Array, jax.Array]:
        values, gradients = evaluate_rows(positions.reshape(-1, positions.shape[-1]))
        # As in Target.evaluate: -inf and a zero gradient where a value or gradient is not finite.
        good = jnp.isfinite(values) & jnp.isfinite(jnp.sum(gradients, axis=-1))
        values = jnp.where(good, values, -jnp.inf).reshape(positions.shape[:-1])
        return values, jnp.where(good[:, None], gradients, 0.0).reshape(positions.shape)

    def block(
        iterate: Iterate,
        parts: tuple,
        log_det: Array,
        sample_weights: Array,
        length: int | Array,
        steps: Steps,
        noise: Array,
    ) -> tuple[Iterate, Array, Array]:
        affine_map = AffineMap(*parts)

        def body(
            index: int | Array, state: tuple[Iterate, jax.Array, jax.Array]
        ) -> tuple[Iterate, jax.Array, jax.Array]:
            iterate, elbos, counts = state
            values, gradients = evaluate(iterate.positions)
            iterate, elbo, num_finite = advance(
                rules,
                iterate,
                affine_map,
                sample_weights,
                Evaluation(values + log_det, gradients),
                Step(steps.sizes[index], steps.averaging[index]),
                noise[index],
            )
            counts = counts.at[index].set(num_finite.astype(counts.dtype))
            return iterate, elbos.at[index].set(elbo), counts

        chains, components = iterate.mixture.means.shape[:2]
        longest = noise.shape[0]
        elbos = jnp.zeros((longest, chains), noise.dtype)
        counts = jnp.zeros((longest, chains, components), jnp.int32)
        return jax.lax.fori_loop(0, length, body, (iterate, elbos, counts))

    return jax.jit(block)


class _FusedRunner(GradientRunner):
    """A runner that takes many iterations per call of a compiled program.

    Parameters
    ----------
    target, mixture, estimator, rules, backend, generator
        As for :class:`isogmm.optimize.gradient_runner.GradientRunner`.
    """

    def __init__(
        self,
        target: Target,
        mixture: IsotropicMixture,
        estimator: AbstractEstimator,
        rules: Rules,
        backend: JaxBackend,
        generator: np.random.Generator,
    ) -> None:
        super().__init__(target, mixture, estimator, rules, backend, generator)
        assert target.log_density is not None
        self.program = _program(target.log_density, rules)
        #: Number of samples of one iteration, for all chains and components.
        self.num_samples = int(np.prod(self.shape[:-1])) * len(self.sample_weights)
        numbers = self.num_samples * self.shape[-1]
        #: Largest number of iterations of a block.
        self.block_length = max(1, min(MAX_BLOCK_LENGTH, MAX_BLOCK_NUMBERS // numbers))

    def iterate(self, plan: WindowPlan, done: int) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """A block of iterations; see :meth:`isogmm.optimize.runner.AbstractRunner.iterate`."""
        longest = self.block_length
        length = min(longest, plan.length - done)
        noise = np.zeros((longest, *self.state.offsets.shape), self.dtype)
        chains, *sizes = self.shape
        # The same numbers as those of one call for each iteration.
        drawn = self.estimator.noise(self.generator, length * chains, *sizes)
        noise[:length] = drawn.reshape(length, *noise.shape[1:])
        steps = Steps(*np.zeros((2, longest), self.dtype))
        steps.sizes[:length] = plan.step_sizes[done : done + length]
        steps.averaging[:length] = plan.averaging[done : done + length]
        with self.target.precision():
            state, elbos, counts = self.program(
                self.state,
                self.map,
                np.asarray(self.log_det, self.dtype),
                self.sample_weights,
                length,
                steps,
                noise,
            )
            elbos, counts = np.asarray(elbos)[:length], np.asarray(counts)[:length]
        # Only this assignment changes the fit, so an interrupt comes before or after it.
        self.state = state
        self.iterations += length
        self.target.num_gradient_evaluations += length * self.num_samples
        return list(elbos), list(counts)


def optimize_fused(
    target: Target,
    mixture: IsotropicMixture,
    *,
    estimator: AbstractEstimator,
    rule: AbstractUpdateRule,
    schedule: AbstractSchedule,
    stopping: AbstractStopping,
    generator: object,
    weights: WeightsRule | None = None,
    callback: Observer | None = None,
) -> OptimizeResult:
    """:func:`isogmm.optimize.optimize`, with the loop and the model compiled into one program.

    NumPy draws the same noise as there, so that the same generator gives the same fit up to
    rounding.  The compilation is worth its time for many small fits of models whose evaluation
    takes microseconds, as in the experiments of the paper.  The affine map is not adapted.

    Parameters
    ----------
    target
        A target whose model is a JAX function (``target.log_density``).
    mixture, estimator, rule, schedule, stopping, generator, weights, callback
        As in :func:`isogmm.optimize.optimize`.

    Returns
    -------
    OptimizeResult
        As in :func:`isogmm.optimize.optimize`.

    Raises
    ------
    OptionError
        If JAX cannot trace the log density of the target, if the estimator uses no gradients, or
        if shapes do not agree.
    """
    if not estimator.uses_gradient:
        raise OptionError(
            f"optimize_fused computes gradients, and {type(estimator).__name__} does not use them: "
            "use isogmm.optimize.optimize"
        )
    if target.log_density is None:
        raise OptionError(
            "optimize_fused compiles a JAX function, and this target is not a JAX function: "
            "use isogmm.optimize.optimize"
        )
    validate(target, mixture, "jax")
    with target.precision():
        dtype = jax.dtypes.canonicalize_dtype(np.float64)
    mixture = replace(
        mixture,
        means=np.asarray(mixture.means, dtype=dtype),
        variances=np.asarray(mixture.variances, dtype=dtype),
        log_weights=np.asarray(mixture.log_weights, dtype=dtype),
    )
    rules, source = Rules(rule, weights), generator_of(generator)
    runner = _FusedRunner(target, mixture, estimator, rules, JaxBackend(rules, dtype), source)
    observers = [] if callback is None else [callback]
    return run_windows(runner, schedule, stopping, observers=observers)
