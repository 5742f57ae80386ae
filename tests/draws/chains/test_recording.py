"""Length of a recording, by the cost of a transition."""

import types

import numpy as np
import pytest

from helpers.targets import correlated_gaussian
from isogmm.draws.chains.recording import Recording
from isogmm.draws.chains.sampler import Sampler
from isogmm.draws.chains.state import start_chains
from isogmm.mixtures.affine_map import dense_map

BUDGET = 1_000


class CostlySampler(Sampler):
    """Two chains in one dimension that do not move, with a given cost of a transition."""

    positions = log_density = None
    count = 0

    def __init__(self, price):
        self.price, self.positions, self.log_density = price, np.zeros((2, 1)), np.zeros(2)
        self.chains = types.SimpleNamespace(points=self.positions, gradients=self.positions)
        self.recycled = types.SimpleNamespace(gradients=self.positions)
        self.coordinates = types.SimpleNamespace(
            positions=lambda chains: self.positions, log_density=lambda chains: self.log_density
        )
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


class CountingSampler(CostlySampler):
    """The position is the number of transitions, and chain 1 moves in odd ones only."""

    def transition(self, *, tune):
        self.count += 1
        self.positions = self.log_density = np.full((2, 1), float(self.count))
        self.log_density = self.log_density[:, 0]
        acceptance, _ = super().transition(tune=tune)
        return acceptance, np.array([True, self.count % 2 == 1])


@pytest.mark.parametrize(
    ("max_numbers", "planned", "kept"),
    [
        (10**6, 8, [5, 6, 7, 8, 9, 10, 11, 12]),  # transitions are counted from 1
        (16, 8, [5, 6, 7, 8, 9, 10, 11, 12]),  # the middle states do not fit, the ends do
        (8, 8, [5, 7, 9, 11]),  # every second fits, also in the first recording
        (16, 16, [5, 7, 9, 11]),  # every second fits in a recording of the planned length
        (8, 32, [5]),  # every eighth
    ],
)
def test_a_recording_continues_without_its_first_half(max_numbers, planned, kept):
    sampler = CountingSampler(1)
    record = Recording(sampler, 0, 8, max_numbers, 10**6)
    record.extend(8)
    record.discard_first_half()
    assert record.num_before == 4
    record.plan(planned)
    record.extend(4)
    np.testing.assert_array_equal(record.draws[0, :, 0], kept)
    assert len(record) == 8
    np.testing.assert_array_equal(record.num_moves, [8, 4])


def record_of_gaussian(max_numbers):
    """Four transitions of six chains in two dimensions."""
    truth, generator = correlated_gaussian(2, 10.0), np.random.default_rng(0)
    target = truth.target(64)
    affine_map = dense_map(truth.means[0] + 1.0, 2.0 * truth.covariances[0])
    chains = start_chains(target, generator.standard_normal((6, 2)), affine_map)
    sampler = Sampler(target, chains, np.zeros(6, int), generator)
    record = Recording(sampler, 0, 4, max_numbers, 10**6)
    record.extend(4)
    return truth, affine_map, record


@pytest.mark.usefixtures("unchecked")
def test_states_are_middles_and_ends_in_turn():
    truth, affine_map, record = record_of_gaussian(10**6)
    states = record.states()
    np.testing.assert_array_equal(states.positions[:, 1::2], record.draws)
    assert not np.any(np.all(states.positions[:, ::2] == record.draws, axis=(1, 2)))
    flat = states.positions.reshape(-1, 2)
    np.testing.assert_allclose(states.points, affine_map.inverse(flat).reshape(6, 8, 2), atol=1e-9)
    log_density, gradients = truth.log_density_and_gradient(flat)
    # Up to the constant of the density.
    shift = states.log_density - log_density.reshape(6, 8)
    np.testing.assert_allclose(shift, shift[0, 0], atol=1e-9)
    pulled = affine_map.pull_back(gradients).reshape(6, 8, 2)
    np.testing.assert_allclose(states.gradients, pulled, rtol=1e-6, atol=1e-9)


@pytest.mark.usefixtures("unchecked")
def test_states_stay_in_step_with_the_ends_after_thinning():
    _, _, record = record_of_gaussian(10**6)
    before = record.states()
    record.max_numbers = 3 * 12
    record.plan(6)
    after = record.states()
    # Middles and ends of the first and the third transition.
    kept = [0, 1, 4, 5]
    for whole, part in zip(before, after, strict=True):
        np.testing.assert_array_equal(part, whole[:, kept])


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("max_numbers", [4 * 4 * 12 - 1, 3 * 12])
def test_only_the_ends_are_stored_if_memory_is_short(max_numbers):
    _, _, record = record_of_gaussian(max_numbers)
    states = record.states()
    np.testing.assert_array_equal(states.positions, record.draws)
    assert states.gradients is None
    assert states.log_density.shape == states.positions.shape[:2]
