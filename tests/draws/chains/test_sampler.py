"""Step sizes of chains in many dimensions."""

import numpy as np
import pytest

from helpers.targets import make_target
from isogmm.draws.chains.hmc import TrajectorySettings, hmc_transition
from isogmm.draws.chains.sampler import MIN_RECORDED_ACCEPTANCE, TARGET_ACCEPTANCE, Sampler
from isogmm.draws.chains.state import start_chains
from isogmm.mixtures.affine_map import MAX_DENSE_DIM, identity_map

CHAINS = 400


def sampler_of(dim):
    """Chains at draws of a standard normal distribution."""
    target = make_target(lambda x: (-0.5 * (x**2).sum(axis=-1), -x), dim)
    start = np.random.default_rng(0).standard_normal((CHAINS, dim))
    chains = start_chains(target, start, identity_map(dim))
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
