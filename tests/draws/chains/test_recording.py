"""How long a recording goes on as transitions become dearer."""

import types

import numpy as np
import pytest

from isogmm.draws.chains.recording import Recording
from isogmm.draws.chains.sampler import Sampler

BUDGET = 1_000


class Walker(Sampler):
    """Two chains in one dimension that stand still, at a given price for a transition."""

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
        (10, 40),  # all that were asked for cost less than the budget
        (30, 34),  # the budget ends it
        (60, 20),  # what must be recorded costs more than the budget, not twice as much
        (150, 14),  # until it costs twice as much
        (400, 10),  # half of what must be recorded, whatever it costs
        (100_000, 10),
    ],
)
def test_dear_transitions_are_fewer(price, length):
    record = Recording(Walker(price), 0, 40, 10**6, BUDGET)
    record.extend(40, min_length=20)
    assert len(record) == length
    assert record.draws.shape == (2, length, 1)
