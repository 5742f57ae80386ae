"""The cost of a program, counted from its jaxpr, and the number of rows of its batch."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from isogmm.model import jax_target
from isogmm.model.functions.log_density import LogDensity
from isogmm.model.programs.cost import WHILE_ITERATIONS, Cost, cost_of
from isogmm.model.programs.size import (
    BATCH_ROWS,
    BATCH_ROWS_OF_LOOPS,
    CONSTRAIN_ROWS,
    MAX_CONSTRAIN_COST,
    MAX_WORKING_SET,
    MIN_BATCH_ROWS,
    constrain_rows,
    fills_cache,
)

pytestmark = pytest.mark.float32


def cost(fn, *shapes):
    return cost_of(jax.make_jaxpr(fn)(*(np.zeros(shape, np.float32) for shape in shapes)).jaxpr)


def test_numbers_of_plain_operations_and_products():
    assert cost(lambda x: jnp.sin(x) * 2.0, (7,)) == (14, False)
    # 3 x 4 sums of 5 products each.
    assert cost(lambda a, b: a @ b, (3, 5), (5, 4)) == (2 * 5 * 12, False)
    assert cost(lambda x: x, (9,)) == (0, False)


def test_functions_and_branches_are_counted():
    assert cost(jax.jit(lambda x: jnp.sin(x)), (7,)) == (7, False)

    def either(x):
        return jax.lax.cond(x[0] > 0, jnp.sin, lambda y: jnp.cos(jnp.exp(y)), x)

    numbers, has_loops = cost(either, (7,))
    # Both branches, and a few numbers for the comparison and its index.
    assert 21 < numbers < 30
    assert not has_loops


def test_loops_count_every_iteration():
    def body(carry, row):
        return jnp.sin(carry) + row, None

    numbers, has_loops = cost(lambda x, y: jax.lax.scan(body, x, y)[0], (3,), (11, 3))
    assert numbers == 11 * 2 * 3
    assert has_loops

    def until(x):
        return jax.lax.while_loop(lambda y: y[0] < 1.0, jnp.exp, x)

    numbers, has_loops = cost(until, (3,))
    # The condition computes three numbers, which count too.
    assert numbers == WHILE_ITERATIONS * (3 + 3)
    assert has_loops


def test_factorizations_are_loops():
    numbers, has_loops = cost(jnp.linalg.cholesky, (20, 20))
    assert has_loops
    # n for each of the n² numbers, and a few n² for the symmetric part and the triangle.
    assert 20**3 <= numbers < 2 * 20**3


def process(length):
    """A local level model with heavy tails, computed by a loop."""
    y = np.random.default_rng(0).normal(size=length)

    def log_density(x):
        def step(level, one):
            level = 0.9 * level + jnp.exp(x[0])
            return level, jnp.logaddexp(one - level, level - one)

        return -jax.lax.scan(step, x[1], y)[1].sum() - 0.5 * (x**2).sum()

    return LogDensity(log_density, np.zeros(2))


def regression(size):
    """A regression with this many observations, computed without a loop."""
    x = np.random.default_rng(0).normal(size=(size, 2))
    return LogDensity(lambda b: -((x @ b - 1.0) ** 2).mean() - 0.5 * (b**2).sum(), np.zeros(2))


def test_costly_loops_get_small_batches(monkeypatch):
    short, long = process(10), process(10_000)
    assert short.to_target().batch_size == BATCH_ROWS
    assert long.to_target().batch_size == BATCH_ROWS_OF_LOOPS
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    assert process(10_001).to_target().batch_size == BATCH_ROWS
    given = LogDensity(lambda x: -(x**2).sum(), np.zeros(2), batch_size=5)
    assert given.to_target().batch_size == 5


@pytest.mark.long
def test_batches_stay_in_the_cache(monkeypatch):
    """The largest array of a batch has about 4 MiB; the sizes are powers of two."""
    bytes_per_number = np.dtype(jax.dtypes.canonicalize_dtype(float)).itemsize
    assert regression(1_000).to_target().batch_size == BATCH_ROWS
    for size in (20_000, 100_000, 200_000):
        rows = regression(size).to_target().batch_size
        assert rows == MIN_BATCH_ROWS or rows * size * bytes_per_number <= MAX_WORKING_SET
        assert rows == BATCH_ROWS or 2 * rows * size * bytes_per_number > MAX_WORKING_SET
    assert regression(200_001).to_target().batch_size == MIN_BATCH_ROWS
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    assert regression(200_002).to_target().batch_size == BATCH_ROWS


def test_calls_that_constrain_draws_of_costly_models_are_short(monkeypatch):
    """A time limit cannot end a call, so the rows of one call cost a bounded number of numbers."""
    assert constrain_rows(3, Cost(1e3, False)) == CONSTRAIN_ROWS
    assert constrain_rows(2**22, Cost(1e3, False)) == 2
    for numbers in (1e6, 1e8, 1e12):
        rows = constrain_rows(3, Cost(numbers, True))
        assert rows == 1 or rows * numbers <= MAX_CONSTRAIN_COST
        assert (rows + 1) * numbers > MAX_CONSTRAIN_COST
    sizes = []
    target = process(100_000).to_target()
    monkeypatch.setattr(jax_target, "in_chunks", lambda *given: sizes.append(given[-1]) or {})
    target.constrain(np.zeros((1, 2)), 0)
    assert 1 <= sizes[0] < CONSTRAIN_ROWS
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    assert constrain_rows(3, Cost(1e12, True)) == CONSTRAIN_ROWS


def test_the_batch_size_changes_no_value():
    model = process(2_000)
    few = model.to_target()
    many = LogDensity(model._function.fn, np.zeros(2), batch_size=BATCH_ROWS).to_target()
    assert (few.batch_size, many.batch_size) == (BATCH_ROWS_OF_LOOPS, BATCH_ROWS)
    positions = np.random.default_rng(1).normal(size=(BATCH_ROWS + 5, 2))
    for one, other in zip(few.evaluate(positions), many.evaluate(positions), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4)


@pytest.mark.parametrize(
    ("rows", "is_costly"), [(1, False), (MIN_BATCH_ROWS, True), (BATCH_ROWS, False)]
)
def test_only_the_fewest_rows_of_a_batch_say_that_a_gradient_is_costly(rows, is_costly):
    """Programs of PyTensor have one row, also for small models."""
    assert fills_cache(rows) is is_costly
