"""The number of chains by the device."""

import jax
import pytest

from isogmm.draws.refine import Refine
from isogmm.model.program_cost import Cost
from isogmm.model.program_size import max_single_points


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
