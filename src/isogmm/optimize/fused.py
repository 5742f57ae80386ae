"""The loop as one compiled program: the model and the mixture's arithmetic in blocks.

Everywhere else the model is compiled by itself and the loop is plain Python.  Where the model is
so cheap that the loop around it is the cost, many iterations of the same loop run here as one
program, with the same noise and the same numbers.
"""

import functools
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from isogmm.errors import OptionError
from isogmm.mixtures.affine_map import AffineMap
from isogmm.mixtures.isotropic import IsotropicMixture
from isogmm.model.target import Target
from isogmm.optimize.backends import JaxBackend
from isogmm.optimize.check import Check
from isogmm.optimize.gradients.base import AbstractEstimator
from isogmm.optimize.iteration import Runner, WeightsRule, advance
from isogmm.optimize.loop import OptimizeResult, check_arguments, drive
from isogmm.optimize.schedules import AbstractSchedule
from isogmm.optimize.stopping import AbstractStopping
from isogmm.optimize.updates.base import AbstractUpdateRule

#: Iterations of a block, and numbers of noise that it may hold.
LONGEST_BLOCK, BLOCK_NUMBERS = 256, 2**21


@functools.lru_cache(maxsize=16)
def _program(log_density: Any, rule: Any, weights: Any) -> Callable[..., Any]:
    """A block: ``length`` iterations of :func:`isogmm.optimize.iteration.advance` around the model."""
    import jax
    import jax.numpy as jnp

    evaluate_rows = jax.vmap(jax.value_and_grad(log_density))

    def evaluate(positions: Any) -> tuple[Any, Any]:
        values, gradients = evaluate_rows(positions.reshape(-1, positions.shape[-1]))
        # As in Target.evaluate: one thing to test for.
        good = jnp.isfinite(values) & jnp.isfinite(jnp.sum(gradients, axis=-1))
        values = jnp.where(good, values, -jnp.inf).reshape(positions.shape[:-1])
        return values, jnp.where(good[:, None], gradients, 0.0).reshape(positions.shape)

    def block(
        iterate: Any,
        parts: Any,
        log_det: Any,
        sample_weights: Any,
        length: Any,
        step_sizes: Any,
        averagings: Any,
        noise: Any,
    ) -> tuple[Any, Any, Any]:
        affine_map = AffineMap(*parts)

        def body(index: Any, state: Any) -> Any:
            iterate, elbos, counts = state
            values, gradients = evaluate(iterate.positions)
            iterate, elbo, num_finite = advance(
                rule,
                weights,
                iterate,
                affine_map,
                sample_weights,
                values + log_det,
                gradients,
                step_sizes[index],
                averagings[index],
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


class _FusedRunner(Runner):
    """A runner that takes many iterations at a time."""

    #: The update rule and, where the weights are learned, theirs.
    rules: tuple[Any, Any]

    def window(
        self,
        step_sizes: Sequence[float],
        averagings: Sequence[float],
        deadline: float,
        collector: Any,
    ) -> tuple[np.ndarray, np.ndarray]:
        """ELBOs (t, c) and counts (t, c, k); see :class:`isogmm.optimize.runner.AbstractRunner`."""
        size = int(np.prod(self.shape)) * len(self.sample_weights)
        longest = max(1, min(LONGEST_BLOCK, BLOCK_NUMBERS // size))
        program = _program(self.target.log_density, *self.rules)
        elbos, counts = [], []
        for begin in range(0, len(step_sizes), longest):
            length = min(longest, len(step_sizes) - begin)
            noise = np.zeros((longest, *self.iterate.offsets.shape), self.dtype)
            for index in range(length):
                noise[index] = self._noise()
            gammas, shares = np.zeros((2, longest), self.dtype)
            gammas[:length] = step_sizes[begin : begin + length]
            shares[:length] = averagings[begin : begin + length]
            with self.target.precision():
                iterate, elbo, count = program(
                    self.iterate,
                    self.backend._parts,
                    np.asarray(self.log_det, self.dtype),
                    self.sample_weights,
                    length,
                    gammas,
                    shares,
                    noise,
                )
                elbos.append(np.asarray(elbo)[:length])
                counts.append(np.asarray(count)[:length])
            # The one assignment that moves the fit: an interrupt comes before it or after.
            self.iterate = iterate
            self.iterations += length
            self.target.num_gradient_evaluations += length * size // self.shape[-1]
            if self.seconds() >= deadline:
                break
        return np.concatenate(elbos), np.concatenate(counts)


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

    The noise is drawn by NumPy as there, so the same generator gives the same fit up to
    rounding.  It pays where an evaluation of the model takes microseconds: many small fits, the
    paper's experiments; it costs one more compilation of the model, and the map stays as it is.

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
            "use isogmm.optimize"
        )
    check_arguments(target, mixture, generator, "jax")
    import jax

    with target.precision():
        dtype = jax.dtypes.canonicalize_dtype(np.float64)
    mixture = replace(
        mixture,
        means=np.asarray(mixture.means, dtype=dtype),
        variances=np.asarray(mixture.variances, dtype=dtype),
        log_weights=np.asarray(mixture.log_weights, dtype=dtype),
    )
    runner = _FusedRunner(
        target, mixture, estimator, JaxBackend(rule, weights, dtype), rule, generator
    )
    runner.rules = (rule, weights)
    return drive(runner, schedule, stopping, callback=callback)
