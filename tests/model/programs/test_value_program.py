"""The program of the log density without its gradient."""

import jax.numpy as jnp
import numpy as np
import pytest

import isogmm
from isogmm.errors import DeadlineReachedError
from isogmm.model.fit_target import FitTarget
from isogmm.model.programs.value_program import VALUE_ROWS

pytestmark = pytest.mark.usefixtures("unchecked")


def target_of(dim=3):
    return isogmm.LogDensity(lambda x: jnp.sum(jnp.log(x)), np.ones(dim)).to_target()


@pytest.mark.parametrize("count", [0, 1, VALUE_ROWS, VALUE_ROWS + 3])
def test_the_values_are_those_of_the_program_with_gradients(count):
    target = FitTarget.of(target_of())
    positions = np.random.default_rng(0).uniform(0.5, 2.0, (count, 3))
    positions[1:2] = -1.0  # outside the support
    values = target.values_alone(positions)
    assert target.num_value_evaluations == count
    assert target.num_gradient_evaluations == 0
    expected = target.values(positions)
    # Sums of three logarithms below one, in single precision.
    np.testing.assert_allclose(values, expected, atol=1e-6)
    assert np.all(values[1:2] == -np.inf)


def test_the_time_limit_holds():
    target = FitTarget.of(target_of(), max_seconds=0.0)
    with pytest.raises(DeadlineReachedError):
        target.values_alone(np.ones((2, 3)))
    assert target.num_value_evaluations == 0


def test_data_sets_of_the_same_shapes_share_the_program():
    def log_density(x, y):
        return -0.5 * jnp.sum((x - y) ** 2)

    model = isogmm.LogDensity(log_density, np.zeros(2), data=np.zeros(2))
    x = np.zeros((1, 2))
    num_before = model.to_target().num_programs()
    for y in (np.array([1.0, 2.0]), np.array([3.0, 0.0])):
        target = model.with_data(y).to_target()
        assert target.value_program is not None
        np.testing.assert_allclose(target.values_alone(x), -0.5 * (y**2).sum(), rtol=1e-6)
        assert target.num_programs() == num_before + 1
