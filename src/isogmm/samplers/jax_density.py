"""The log density of a target as samplers written in JAX take it."""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from isogmm.errors import ModelError
from isogmm.model.target import Target


def jax_density(target: Target) -> Callable[[jax.Array], jax.Array]:
    """``(d,) -> scalar``, to be traced by JAX inside ``target.precision()``; differentiable once.

    A model without a JAX form is called back on the host, many points at a time where the
    sampler is vectorized.  Such a function of the user's must not call JAX itself.
    """
    if target.log_density is not None:
        return target.log_density

    def host(position: Any) -> tuple[np.ndarray, np.ndarray]:
        position = np.asarray(position)
        values, gradients = target.evaluate(position)
        return np.asarray(values, position.dtype), np.asarray(gradients, position.dtype)

    def call(position: jax.Array) -> tuple[jax.Array, jax.Array]:
        shapes = (
            jax.ShapeDtypeStruct((), position.dtype),
            jax.ShapeDtypeStruct(position.shape, position.dtype),
        )
        return jax.pure_callback(host, shapes, position, vmap_method="broadcast_all")

    @jax.custom_vjp
    def density(position: jax.Array) -> jax.Array:
        return call(position)[0]

    def forward(position: jax.Array) -> tuple[jax.Array, jax.Array]:
        return call(position)

    def backward(gradient: jax.Array, cotangent: jax.Array) -> tuple[jax.Array]:
        return (cotangent * gradient,)

    density.defvjp(forward, backward)
    return density


def starting_points(target: Target, seed: int, count: int) -> np.ndarray:
    """Starts drawn as the model draws them, those with a finite density first: (count, d).

    Raises
    ------
    ModelError
        If none of many has a finite density.
    """
    generator = np.random.default_rng(seed)
    kept: list[np.ndarray] = []
    for _ in range(10):
        points = target.initial_positions(generator, max(2 * count, 20))
        values, _ = target.evaluate(points)
        kept.extend(points[np.isfinite(values)])
        if len(kept) >= count:
            return np.stack(kept[:count])
    if not kept:
        raise ModelError(
            "the log density is not finite at any start: check the data against the support of "
            "the model's distributions"
        )
    return np.stack([kept[i % len(kept)] for i in range(count)])
