"""JAX forms of operations that PyMC uses and PyTensor does not convert."""

from collections.abc import Callable, Mapping
from typing import Protocol, runtime_checkable

import jax
import jax.numpy as jnp
import numpy as np
from pymc.distributions import multivariate
from pymc.distributions.dist_math import SplineWrapper
from pymc.logprob.utils import CheckParameterValue
from pytensor.graph.op import Op
from pytensor.printing import Print
from pytensor.raise_op import Assert
from pytensor.scalar.math import Erfcinv, Erfcx, Log1mexp, Softplus
from scipy.interpolate import PPoly

from isogmm.arrays import Array

#: Values of ``ext`` of a SciPy spline: zero outside the knots, or the value at the nearest one.
EXT_ZERO, EXT_NEAREST = 1, 3


@runtime_checkable
class Dispatcher(Protocol):
    """A function made by ``functools.singledispatch``, here on the type of an operation."""

    registry: Mapping[type, Callable[..., object]]

    def register(self, operation: type) -> Callable[[Callable[..., object]], object]:
        """A decorator that registers a function for a type of operation."""

    def __call__(self, operation: Op, **options: object) -> object:
        """Calls the function registered for the type of the operation."""


def register_missing(dispatcher: Dispatcher) -> None:
    """Register JAX forms for operations without one, and replace those with a wrong gradient.

    The gradients of PyTensor's forms of ``Softplus`` and ``Log1mexp`` are NaN where a branch of
    theirs that is not used overflows: that of ``Softplus`` above 709, in single precision above 88.
    Log odds of a logistic regression are often larger at the first starting points.
    """
    dispatcher.register(Softplus)(lambda op, **_: jax.nn.softplus)
    dispatcher.register(Log1mexp)(lambda op, **_: _log1mexp)
    # The form of older PyTensor requires TensorFlow Probability.  The form of newer PyTensor is
    # inaccurate near zero.
    dispatcher.register(Erfcinv)(lambda op, **_: _erfcinv)
    for operation in (Assert, CheckParameterValue, Print):
        if operation not in dispatcher.registry:
            dispatcher.register(operation)(_first_argument)
    if SplineWrapper not in dispatcher.registry:
        dispatcher.register(SplineWrapper)(_spline)
    positive_definite = getattr(multivariate, "PosDefMatrix", None)
    if positive_definite is not None and positive_definite not in dispatcher.registry:
        dispatcher.register(positive_definite)(_positive_definite)
    if hasattr(jax.scipy.special, "erfcx"):
        # This replaces the form of older PyTensor, which requires TensorFlow Probability.
        dispatcher.register(Erfcx)(lambda op, **_: jax.scipy.special.erfcx)


def _log1mexp(value: Array) -> jax.Array:
    """log(1 - exp(x)) for x < 0, whose branches have a finite gradient everywhere."""
    is_small = value < -np.log(2.0)
    small, large = jnp.where(is_small, value, -1.0), jnp.where(is_small, -0.5, value)
    return jnp.where(is_small, jnp.log1p(-jnp.exp(small)), jnp.log(-jnp.expm1(large)))


def _erfcinv(value: Array) -> jax.Array:
    """The inverse of the complementary error function, by the quantile of a normal distribution."""
    return -jax.scipy.special.ndtri(0.5 * value) / 2.0**0.5


def _first_argument(op: Op, **_: object) -> Callable[..., object]:
    """The form of operations that return their first argument and test the others."""
    return lambda value, *conditions: value


def _positive_definite(op: Op, **_: object) -> Callable[..., jax.Array]:
    """A matrix is positive definite if its Cholesky factor is finite."""
    return lambda matrix, *_: jnp.all(jnp.isfinite(jnp.linalg.cholesky(matrix)))


def _spline(op: SplineWrapper, **_: object) -> Callable[[Array], jax.Array]:
    """A SciPy spline as a piecewise polynomial, with the spline's own extrapolation."""
    pieces = PPoly.from_spline(op.spline._eval_args)
    has_length = np.diff(pieces.x) > 0
    starts, coefficients = pieces.x[:-1][has_length], pieces.c[:, has_length]
    end = pieces.x[1:][has_length][-1]
    extrapolation = op.spline.ext

    def evaluate(points: Array) -> jax.Array:
        inside = jnp.clip(points, starts[0], end) if extrapolation == EXT_NEAREST else points
        piece = jnp.clip(jnp.searchsorted(starts, inside, side="right") - 1, 0, len(starts) - 1)
        offset = inside - jnp.asarray(starts)[piece]
        value = jnp.zeros_like(offset)
        for row in coefficients:
            value = value * offset + jnp.asarray(row)[piece]
        if extrapolation == EXT_ZERO:
            value = jnp.where((points < starts[0]) | (points > end), 0.0, value)
        return value

    return evaluate
