"""Memory of the draws on the scale of the model where the log likelihood is left out."""

from dataclasses import replace

import jax.numpy as jnp
import numpy as np
import pytest

import isogmm
from isogmm.model.fit_target import FitTarget
from isogmm.results.building import constrained as constrained_module
from isogmm.results.building import constrained_in_time as module
from isogmm.results.building.constrained import (
    MAX_ENTRIES_PER_CALL,
    NUM_COMPARED,
    constrained,
    draws_per_call,
    known_groups,
)
from isogmm.results.building.fit_result import FitResult

pytestmark = pytest.mark.usefixtures("unchecked")  # results without a mixture

#: Rows of the data: so many that a call may have 16 draws.
ROWS = MAX_ENTRIES_PER_CALL // 16
CHAINS, DRAWS = 2, 50


@pytest.fixture(scope="module")
def recorded():
    """A target whose log likelihood has one entry for each row, and the sizes of its calls."""
    model = isogmm.LogDensity(
        lambda x, data: -0.5 * x @ x,
        np.zeros(2),
        log_likelihood=lambda x, data: {"rows": data["y"] * x[0]},
        data={"y": jnp.zeros(ROWS)},
        names="x",
    )
    target, sizes = model.to_target(), []

    def constrain(positions, seed):
        sizes.append(len(positions))
        arrays = np.broadcast_to(0.0, (len(positions), ROWS))
        return {"posterior": {"x": positions}, "log_likelihood": {"rows": arrays}}

    return replace(target, constrain=constrain), sizes


def test_a_call_has_few_draws_if_the_log_likelihood_is_large(recorded):
    target, sizes = recorded
    assert not target.observed_data
    assert draws_per_call(target) == 16
    original = target.constrain

    def shifted(positions, seed):
        return original(positions + 1.0, seed)

    sizes.clear()
    positions = np.random.default_rng(0).normal(size=(CHAINS, DRAWS, 2))
    groups = constrained(replace(target, constrain=shifted), positions, 0, {"log_likelihood"})
    np.testing.assert_array_equal(groups["posterior"]["x"], positions + 1.0)
    assert max(sizes) == 16


def test_variables_that_are_coordinates_need_no_log_likelihood(recorded):
    target, sizes = recorded
    sizes.clear()
    positions = np.random.default_rng(0).normal(size=(CHAINS, DRAWS, 2))
    groups = constrained(target, positions, 0, {"log_likelihood"})
    np.testing.assert_array_equal(groups["posterior"]["x"], positions)
    assert sum(sizes) == NUM_COMPARED
    # A group that remains must be computed.
    assert known_groups(target, positions.reshape(-1, 2), 0, {"log_prior"}) is None


@pytest.mark.long
def test_a_call_has_few_draws_if_there_are_many_parameters(recorded, monkeypatch):
    target, sizes = recorded
    positions = np.random.default_rng(0).normal(size=(CHAINS, DRAWS, 2))
    for limit, calls in ((positions.size, 1), (positions.size - 1, 7)):
        monkeypatch.setattr(constrained_module, "MAX_NUMBERS_PER_CALL", limit)
        sizes.clear()
        groups = constrained(target, positions, 0)
        np.testing.assert_array_equal(groups["posterior"]["x"], positions)
        assert len(sizes) == calls


def test_the_same_after_a_time_limit(recorded):
    target, sizes = recorded
    limited = FitTarget.of(target, 1e4)
    positions = np.random.default_rng(0).normal(size=(CHAINS, DRAWS, 2))
    shape = positions.shape[:2]
    result = result_of(limited, positions, np.zeros(shape))
    sizes.clear()
    order, groups = module._first_parts(result, 0, {"log_likelihood"})
    assert len(order) == DRAWS
    np.testing.assert_array_equal(groups["posterior"]["x"], positions[:, order])
    assert max(sizes) == 16


def result_of(target, positions, log_density):
    return FitResult(
        target=target, mixture=None, positions=positions, log_density=log_density, log_q=log_density
    )
