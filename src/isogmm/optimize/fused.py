"""The loop as one compiled program: the model and the arithmetic of the mixture in blocks.

Elsewhere the model is compiled alone and the loop is plain Python.  Where an evaluation of the
model takes microseconds, the loop is the largest cost.  Here many iterations of the same loop run
as one program, with the same noise and the same numbers up to rounding.
"""

import functools
from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

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
from isogmm.optimize.check import Check
from isogmm.optimize.gradient_runner import GradientRunner
from isogmm.optimize.gradients.base import AbstractEstimator
from isogmm.optimize.iteration import Evaluation, Rules, Step, WeightsRule, advance
from isogmm.optimize.loop import OptimizeResult, run_windows
from isogmm.optimize.runner import WindowPlan
from isogmm.optimize.schedules import AbstractSchedule
from isogmm.optimize.stopping import AbstractStopping
from isogmm.optimize.updates.base import AbstractUpdateRule

#: Iterations of a block at most.
MAX_BLOCK_LENGTH = 256
#: Numbers of noise that a block may hold.
MAX_BLOCK_NUMBERS = 2**21


class Steps(NamedTuple):
    """Step size and share in the running average, one entry for each iteration of a block."""

    sizes: Array
    averaging: Array


@functools.lru_cache(maxsize=16)
def _program(log_density: Callable, rules: Rules) -> Callable[..., Any]:
    """A block: iterations of :func:`isogmm.optimize.iteration.advance` with the model."""
    evaluate_rows = jax.vmap(jax.value_and_grad(log_density))

    def evaluate(positions: jax.Array) -> tuple[jax.Array, jax.Array]:
        values, gradients = evaluate_rows(positions.reshape(-1, positions.shape[-1]))
        # As in Target.evaluate: -inf and a zero gradient where anything is not finite.
        good = jnp.isfinite(values) & jnp.isfinite(jnp.sum(gradients, axis=-1))
        values = jnp.where(good, values, -jnp.inf).reshape(positions.shape[:-1])
        return values, jnp.where(good[:, None], gradients, 0.0).reshape(positions.shape)

    def block(
        iterate: Any,
        parts: Any,
        log_det: Any,
        sample_weights: Any,
        length: Any,
        steps: Steps,
        noise: Any,
    ) -> tuple[Any, Any, Any]:
        affine_map = AffineMap(*parts)

        def body(index: Any, state: Any) -> Any:
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
    """A runner that takes many iterations at a time.

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
        #: Samples of one iteration, and iterations of a block.
        self.num_samples = int(np.prod(self.shape[:-1])) * len(self.sample_weights)
        numbers = self.num_samples * self.shape[-1]
        self.block_length = max(1, min(MAX_BLOCK_LENGTH, MAX_BLOCK_NUMBERS // numbers))

    def iterate(self, plan: WindowPlan, done: int) -> tuple[list[Any], list[Any]]:
        """A block of iterations; see :meth:`isogmm.optimize.runner.AbstractRunner.iterate`."""
        longest = self.block_length
        length = min(longest, plan.length - done)
        noise = np.zeros((longest, *self.state.offsets.shape), self.dtype)
        for index in range(length):
            noise[index] = self.noise()
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
        # The only assignment that changes the fit: an interrupt comes before or after it.
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
    generator: np.random.Generator,
    weights: WeightsRule | None = None,
    callback: Callable[[Check], Any] | None = None,
) -> OptimizeResult:
    """:func:`isogmm.optimize.optimize` with its windows compiled together with the model.

    NumPy draws the noise as there, so that the same generator gives the same fit up to rounding.
    It is worth its compilation where an evaluation of the model takes microseconds: many small
    fits, the experiments of the paper.  The affine map is not adapted.

    Parameters
    ----------
    target
        A target whose model is a JAX function (``target.log_density``).
    mixture, estimator, rule, schedule, stopping, generator, weights, callback
        As in :func:`isogmm.optimize.optimize`.

    Returns
    -------
    OptimizeResult
        As there.

    Raises
    ------
    OptionError
        If the target has no log density that JAX can trace, or shapes do not agree.
    """
    if target.log_density is None:
        raise OptionError(
            "optimize_fused compiles the model into its loop, and this target is no JAX function: "
            "use isogmm.optimize.optimize"
        )
    validate(target, mixture, generator, "jax")
    with target.precision():
        dtype = jax.dtypes.canonicalize_dtype(np.float64)
    mixture = replace(
        mixture,
        means=np.asarray(mixture.means, dtype=dtype),
        variances=np.asarray(mixture.variances, dtype=dtype),
        log_weights=np.asarray(mixture.log_weights, dtype=dtype),
    )
    rules = Rules(rule, weights)
    runner = _FusedRunner(target, mixture, estimator, rules, JaxBackend(rules, dtype), generator)
    observers = [] if callback is None else [callback]
    return run_windows(runner, schedule, stopping, observers=observers)
