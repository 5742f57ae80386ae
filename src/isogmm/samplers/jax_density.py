"""The log density of a target for samplers written in JAX, and starting points for them."""

from collections.abc import Callable
from typing import TypeAlias

import jax
import numpy as np
from jaxtyping import Float

from isogmm.errors import ModelError
from isogmm.model.target import Target

#: A log density that JAX can trace: ``(d,) -> ()``.
JaxDensity: TypeAlias = Callable[[jax.Array], jax.Array]

#: Rounds in which starting points are drawn, and fewest points in a round.
MAX_ROUNDS, MIN_POINTS = 10, 20


def jax_density(target: Target) -> JaxDensity:
    """``(d,) -> ()``, which JAX can trace inside ``target.precision()`` and differentiate once.

    A model without a JAX form is evaluated by a callback to Python, many points at a time if
    the sampler is vectorized.  Such a model must not call JAX itself.
    """
    if target.log_density is not None:
        return target.log_density

    def evaluate(position: jax.Array | np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        position = np.asarray(position)
        values, gradients = target.evaluate(position)
        return np.asarray(values, position.dtype), np.asarray(gradients, position.dtype)

    def call(position: jax.Array) -> tuple[jax.Array, jax.Array]:
        shapes = (
            jax.ShapeDtypeStruct((), position.dtype),
            jax.ShapeDtypeStruct(position.shape, position.dtype),
        )
        return jax.pure_callback(evaluate, shapes, position, vmap_method="broadcast_all")

    @jax.custom_vjp
    def density(position: jax.Array) -> jax.Array:
        return call(position)[0]

    def forward(position: jax.Array) -> tuple[jax.Array, jax.Array]:
        return call(position)

    def backward(gradient: jax.Array, cotangent: jax.Array) -> tuple[jax.Array]:
        return (cotangent * gradient,)

    density.defvjp(forward, backward)
    return density


def starting_points(target: Target, seed: int, count: int) -> Float[np.ndarray, "m d"]:
    """Initial positions of the model that have a finite log density, repeated if there are few.

    Raises
    ------
    ModelError
        If no initial position has a finite log density.
    """
    generator = np.random.default_rng(seed)
    kept: list[np.ndarray] = []
    for _ in range(MAX_ROUNDS):
        points = target.initial_positions(generator, max(2 * count, MIN_POINTS))
        values, _ = target.evaluate(points)
        kept.extend(points[np.isfinite(values)])
        if len(kept) >= count:
            return np.stack(kept[:count])
    if not kept:
        raise ModelError(
            "the log density is not finite at any starting point: check that the data lie within "
            "the support of the model's distributions"
        )
    return np.stack([kept[i % len(kept)] for i in range(count)])
