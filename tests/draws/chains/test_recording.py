"""Length of a recording, by the cost of a transition."""

import types

import numpy as np
import pytest

from isogmm.draws.chains.recording import Recording
from isogmm.draws.chains.sampler import Sampler

BUDGET = 1_000


class CostlySampler(Sampler):
    """Two chains in one dimension that do not move, with a given cost of a transition."""

    positions = log_density = None

    def __init__(self, price):
        self.price, self.positions, self.log_density = price, np.zeros((2, 1)), np.zeros(2)
        self.chains = types.SimpleNamespace(points=self.positions)
        self.target = types.SimpleNamespace(num_gradient_evaluations=0)

    def transition(self, *, tune):
        assert not tune
        self.target.num_gradient_evaluations += self.price
        return 1.0, np.ones(2)


@pytest.mark.parametrize(
    ("price", "length"),
    [
        (10, 40),  # the planned transitions cost less than the budget
        (30, 34),  # the budget ends it
        (60, 20),  # the smallest recording costs more than the budget, but not twice as much
        (150, 14),  # twice the budget ends it
        (400, 10),  # half of the smallest recording, at any cost
        (100_000, 10),
    ],
)
def test_costly_transitions_are_fewer(price, length):
    record = Recording(CostlySampler(price), 0, 40, 10**6, BUDGET)
    record.extend(40, min_length=20)
    assert len(record) == length
    assert record.draws.shape == (2, length, 1)
