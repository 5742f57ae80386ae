"""Integers beyond the range of their type, of which JAX keeps the last bits without an error."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import isogmm
from isogmm.errors import ModelError
from isogmm.model.checks.integer_overflow import first_overflow
from isogmm.model.programs.precision import in_precision

INCOMES = np.array([20_000, 60_000])


def found(function, integers):
    """What is found in the gradient of a function of a number and the integers."""
    with in_precision(False):
        program = jax.jit(jax.value_and_grad(lambda x, i: jnp.sum(x * function(i).astype(x.dtype))))
        traced = program.trace(jnp.zeros(()), integers)
    return first_overflow(traced.jaxpr, [None, integers])


OVERFLOWS = {
    "product": (lambda i: i * i, 3.6e9),
    "power": (lambda i: i**3, 2.16e14),
    "square": (jnp.square, 3.6e9),
    "sum": (lambda i: jnp.sum(i * 30_000), 2.4e9),
    "difference": (lambda i: -30_000 * i - 1_000_000_000, -2.8e9),
    "cumulative sum": (lambda i: jnp.cumsum(i * 30_000), 2.4e9),
    "reversed cumulative sum": (lambda i: jnp.cumsum(i[::-1] * 30_000)[::-1], 2.4e9),
    "product of all": (lambda i: jnp.prod(i * 2), 4.8e9),
    "inside a function": (lambda i: jax.checkpoint(lambda j: j * j)(i), 3.6e9),
}


@pytest.mark.parametrize("case", OVERFLOWS)
def test_an_overflow_is_found(case):
    function, value = OVERFLOWS[case]
    overflow = found(function, INCOMES)
    assert overflow.value == value
    assert (overflow.dtype, overflow.sources) == ("int32", {1})


def test_small_types_overflow_too():
    assert found(lambda i: i * i, np.array([3, 20], np.int8)).dtype == "int8"


@pytest.mark.parametrize(
    "function",
    [
        lambda i: i * 30_000,
        lambda i: i.astype(float) ** 2,
        lambda i: (i // 1000) ** 2,
        lambda i: jnp.sum(i) + jnp.cumsum(i),
        lambda i: (i.astype(jnp.uint32) * i.astype(jnp.uint32)).astype(float),
    ],
)
def test_other_integers_are_accepted(function):
    assert found(function, INCOMES) is None


def test_the_message_names_the_data_and_the_remedy():
    def fn(x, data):
        return -0.5 * jnp.sum((x - (data["income"] * data["income"]).astype(x.dtype)) ** 2)

    with (
        in_precision(False),
        pytest.raises(ModelError, match=r"size 3.6e\+09 from .*'income'.*astype\(float\)"),
    ):
        isogmm.LogDensity(fn, np.zeros(2), data={"income": INCOMES}).to_target()


@pytest.mark.parametrize(
    ("integers", "value"), [([2, 2, -2], None), ([-2, 2, 2], 4e9)], ids=["fits", "overflows"]
)
def test_a_reverse_cumulative_sum_begins_at_the_end(integers, value):
    def sums(i):
        return jax.lax.cumsum(i * 1_000_000_000, reverse=True)

    overflow = found(sums, np.array(integers))
    assert (overflow and overflow.value) == value
