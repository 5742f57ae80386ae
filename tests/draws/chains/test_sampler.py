"""Step sizes of chains in many dimensions."""

from types import SimpleNamespace

import numpy as np
import pytest
from scipy.special import ndtr

from helpers.targets import make_target
from isogmm.draws.chains.hmc import TrajectorySettings, hmc_transition
from isogmm.draws.chains.sampler import (
    MIN_RECORDED_ACCEPTANCE,
    NUM_TUNING_TRANSITIONS,
    TARGET_ACCEPTANCE,
    Sampler,
    stationary_acceptance,
)
from isogmm.draws.chains.state import start_chains
from isogmm.mixtures.affine_map import MAX_DENSE_DIM, diagonal_map

CHAINS = 400


def sampler_of(dim, width=1.0):
    """Chains in a standard normal distribution, at draws of a wider one that whitens them."""
    target = make_target(lambda x: (-0.5 * (x**2).sum(axis=-1), -x), dim)
    start = width * np.random.default_rng(0).standard_normal((CHAINS, dim))
    affine_map = diagonal_map(np.zeros(dim), np.full(dim, width))
    chains = start_chains(target, start, affine_map)
    return Sampler(target, chains, np.zeros(CHAINS, int), np.random.default_rng(1))


def acceptance_of(sampler, step_size):
    """Acceptance probabilities of trajectories of a quarter of a period."""
    settings = TrajectorySettings(step_size, length=0.5 * np.pi, num_tries=1)
    generator = np.random.default_rng(2)
    return hmc_transition(sampler.target, sampler.chains, generator, settings).acceptance


@pytest.mark.usefixtures("unchecked")
def test_steps_that_are_too_long_are_shortened_to_the_wanted_acceptance():
    sampler = sampler_of(4 * MAX_DENSE_DIM)
    sampler.step_size = 0.5 * np.pi / 4
    before = acceptance_of(sampler, sampler.step_size).mean()
    assert before < MIN_RECORDED_ACCEPTANCE
    sampler.shorten_steps(before)
    after = acceptance_of(sampler, sampler.step_size)
    error = after.std() / np.sqrt(CHAINS)
    # The formula is exact for short steps only.
    assert abs(after.mean() - TARGET_ACCEPTANCE) + 3 * error < 0.5 * (TARGET_ACCEPTANCE - before)


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(("dim", "acceptance"), [(MAX_DENSE_DIM, 0.1), (MAX_DENSE_DIM + 1, 0.5)])
def test_other_steps_stay(dim, acceptance):
    sampler = sampler_of(dim)
    step_size = sampler.step_size
    sampler.shorten_steps(acceptance)
    assert sampler.step_size == step_size


@pytest.mark.usefixtures("unchecked")
def test_steps_stay_short_while_chains_that_started_too_wide_move_inwards():
    # All proposals are accepted at first: the energies of all chains decrease.
    stationary = sampler_of(4 * MAX_DENSE_DIM)
    sampler = sampler_of(4 * MAX_DENSE_DIM, width=1.3)
    for _ in range(4):
        acceptance, _ = sampler.transition(tune=True)
        assert acceptance > TARGET_ACCEPTANCE
        # Steps of a standard normal distribution are as long relative to its width.
        step_size = sampler.step_size * sampler.chains.affine_map.scale.mean()
        assert acceptance_of(stationary, step_size).mean() > MIN_RECORDED_ACCEPTANCE


@pytest.mark.usefixtures("unchecked")
def test_steps_are_tuned_some_transitions_after_a_change_of_the_coordinates():
    sampler = sampler_of(MAX_DENSE_DIM + 1)
    tuned = []
    for _ in range(12):
        sampler.transition(tune=True)
        tuned.append(sampler.has_tuned_steps)
    changed = {3, 6, 12}
    assert [
        not any(count - NUM_TUNING_TRANSITIONS < at <= count for at in {0, *changed})
        for count in range(1, 13)
    ] == tuned
    sampler = sampler_of(MAX_DENSE_DIM)
    sampler.transition(tune=True)
    assert sampler.has_tuned_steps


@pytest.mark.parametrize("common", [0.0, 1e4, -1e4])
def test_the_acceptance_of_stationary_chains_follows_from_differences_of_energies(common):
    sd, count = 1.2, 100_000
    energies = np.random.default_rng(0).normal(common - 0.5 * sd**2, sd, count)
    found = stationary_acceptance(np.append(energies, -np.inf))
    # A quartile of n normal values has the standard error 1.36 σ/√n, their difference 1.57 σ/√n.
    error = 1.57 / 1.349 * sd / np.sqrt(count)
    assert abs(found - 2.0 * ndtr(-0.5 * sd)) < 5.0 * error * 0.4  # the density is at most 0.4


def test_chains_that_all_left_the_support_accept_nothing():
    assert stationary_acceptance(np.full(10, -np.inf)) == 0.0


@pytest.mark.usefixtures("unchecked")
def test_a_neck_is_stored_some_transitions_after_a_change_of_the_coordinates():
    sampler = sampler_of(2)
    sampler.retry_factor = 0.1
    large = np.arange(CHAINS) < CHAINS // 4
    transition = SimpleNamespace(step_too_large=large)
    sampler.coordinates.changed_at = 3
    for count, expected in ((3 + NUM_TUNING_TRANSITIONS, 0), (4 + NUM_TUNING_TRANSITIONS, 1)):
        sampler.count = count
        sampler._detect_neck(transition)
        assert len(sampler.neck) == expected
    np.testing.assert_array_equal(sampler.neck[0], sampler.positions[large])
    # Once there is a neck, single chains count, but not where proposals are not tried again.
    transition.step_too_large = np.arange(CHAINS) < 1
    sampler._detect_neck(transition)
    sampler.retry_factor = 0.0
    sampler._detect_neck(transition)
    assert [len(part) for part in sampler.neck] == [CHAINS // 4, 1]
