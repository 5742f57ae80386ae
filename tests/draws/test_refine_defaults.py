"""The number of chains by the device, and their length by the number of draws."""

import jax
import pytest

from isogmm.draws.refine import Refine
from isogmm.model.programs.cost import Cost
from isogmm.model.programs.size import max_single_points
from isogmm.recipe.options import common_options, refinement


def test_accelerators_run_thousands_of_chains_of_the_same_length():
    assert Refine.for_backend("cpu") == Refine()
    many = Refine.for_backend("gpu")
    assert many.num_chains == 4096
    lengths = [options.max_gradients / options.num_chains for options in (Refine(), many)]
    assert lengths[1] == pytest.approx(lengths[0], rel=1e-6)


def test_accelerators_evaluate_no_single_points(monkeypatch):
    costly = Cost(1e9, True)
    assert max_single_points(128, costly) > 0
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    assert max_single_points(128, costly) == 0


@pytest.mark.parametrize(
    ("num_draws", "num_recorded", "num_gradients"),
    [(400, 20, 1_000_000), (4000, 20, 1_000_000), (4001, 21, 1_000_250), (40_000, 200, 10_000_000)],
)
def test_recording_and_budget_grow_with_the_draws(num_draws, num_recorded, num_gradients):
    wanted = Refine(min_recorded=num_recorded, max_gradients=num_gradients)
    assert Refine().with_draws(num_draws) == wanted
    assert refinement("auto", num_draws).settings == wanted
    # Settings of the user stay as they are.
    assert refinement(Refine(), num_draws).settings == Refine()
    assert refinement(9, num_draws).settings == Refine(min_warmup=9, min_recorded=9)


@pytest.mark.parametrize(
    ("dim", "numbers"),
    [(10, 40_000_000), (10_000, 40_000_000), (20_000, 80_000_000), (100_000, 200_000_000)],
)
def test_a_recording_may_have_as_many_numbers_as_the_draws(dim, numbers):
    """With 20,000 coordinates 4,000 draws came from 2,000 states, and from 384 with 100,000."""
    assert Refine().max_recorded(dim) == numbers
    assert Refine(max_numbers=1000).max_recorded(dim) == 5000


@pytest.mark.usefixtures("unchecked")  # without an algorithm
@pytest.mark.parametrize("draws", [10, 2500])
def test_a_fit_records_in_proportion_to_its_draws(draws):
    given = {"draws": draws, "chains": 4, "num_components": 2, "weights": "auto"}
    given |= {"whitening": "auto", "init": "auto", "importance": "auto", "refine": "auto"}
    options = common_options(given, None)
    assert options.refinement.settings.min_recorded == (20 if draws == 10 else 50)
