"""Acceptance of the second and third try: the formula of the paper, written as a recursion."""

import numpy as np
import pytest

from helpers.targets import GaussianMixtureTruth
from isogmm.draws.chains.hmc import TrajectorySettings, hmc_transition
from isogmm.draws.chains.state import start_chains
from isogmm.mixtures.affine_map import identity_map

TRUTH = GaussianMixtureTruth(
    np.zeros((2, 2)), np.array([np.eye(2), np.diag([0.01, 0.04])]), np.array([0.5, 0.5])
)
SETTINGS = TrajectorySettings(0.7, 1.5, retry_factor=2.0, num_tries=3)


def leapfrog(position, momentum, try_):
    step, count = try_
    momentum = momentum + 0.5 * step * TRUTH.gradient(position)
    for index in range(count):
        position = position + step * momentum
        last = 0.5 if index == count - 1 else 1.0
        momentum = momentum + last * step * TRUTH.gradient(position)
    return position, momentum


def log_joint(position, momentum):
    return float(TRUTH.log_density(position)) - 0.5 * float(momentum @ momentum)


def acceptance(position, momentum, index):
    """α_j = min(1, π(z_j) Π (1 - α_i(z_j)) / (π(z₀) Π (1 - α_i(z₀))))."""
    end, end_momentum = leapfrog(position, momentum, SETTINGS.tries()[index])
    ratio = np.exp(log_joint(end, end_momentum) - log_joint(position, momentum))
    for earlier in range(index):
        ratio *= 1.0 - acceptance(end, -end_momentum, earlier)
        here = 1.0 - acceptance(position, momentum, earlier)
        if here == 0.0:  # this try is never reached
            return 0.0
        ratio /= here
    return min(1.0, ratio)


class Numbers:
    """Source of given momenta and uniform numbers."""

    def __init__(self, momenta, uniforms):
        self.momenta, self.uniforms = momenta, uniforms

    def standard_normal(self, shape):
        assert shape == self.momenta.shape
        return self.momenta

    def uniform(self, size):
        assert size == self.uniforms.shape
        return self.uniforms


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("index", [0, 1, 2])
def test_each_try_is_accepted_with_the_probability_of_the_paper(index):
    generator = np.random.default_rng(2)
    states = []
    while len(states) < 20:
        position, momentum = 0.2 * generator.standard_normal(2), generator.standard_normal(2)
        earlier = [acceptance(position, momentum, i) for i in range(index)]
        found = acceptance(position, momentum, index) if all(a < 0.95 for a in earlier) else 1.0
        if 0.05 < found < 0.95:
            states.append((position, momentum, found))
    positions, momenta = (np.repeat([s[i] for s in states], 2, axis=0) for i in (0, 1))
    uniforms = np.full((3, len(positions)), 1.0 - 1e-9)
    uniforms[index] = np.ravel([[s[2] - 1e-6, s[2] + 1e-6] for s in states])
    chains = start_chains(TRUTH.target(512), positions, identity_map(2))
    result = hmc_transition(TRUTH.target(512), chains, Numbers(momenta, uniforms), SETTINGS)
    moved_to = [leapfrog(s[0], s[1], SETTINGS.tries()[index])[0] for s in states]
    below, above = result.chains.positions[::2], result.chains.positions[1::2]
    np.testing.assert_allclose(below, moved_to, rtol=1e-9, atol=1e-12)
    # Just above its probability this try is rejected; a later one may be accepted.
    assert np.all(np.abs(above - moved_to).max(axis=1) > 1e-6)


def test_chains_with_steps_of_mixed_sizes_have_one_try():
    settings = TrajectorySettings(0.5, 1.5, num_tries=3, step_factors=np.array([1.0, 0.1]))
    assert settings.tries() == [(0.5, 3)]
    np.testing.assert_allclose(settings.step_sizes(2), [0.5, 0.05])


def test_tries_keep_the_integration_time():
    tries = TrajectorySettings(0.5, 2.0, retry_factor=4.0, num_tries=3).tries()
    assert tries == [(0.5, 4), (0.125, 16), (0.03125, 64)]


@pytest.mark.usefixtures("unchecked")
def test_chains_outside_the_support_are_replaced_by_the_others_in_turn():
    from helpers.targets import half_space

    inside = np.array([[1.0, 0.0], [2.0, 0.0], [3.0, 0.0]])
    outside = np.array([[-1.0, 0.0], [-2.0, 0.0], [-3.0, 0.0], [-4.0, 0.0]])
    target = half_space(2)
    finite = np.isfinite(target.evaluate(np.concatenate([inside, outside]))[0])
    assert finite.tolist() == [True] * 3 + [False] * 4
    mixed = np.concatenate([outside[:2], inside, outside[2:]])
    chains = start_chains(target, mixed, identity_map(2))
    assert chains.positions[:, 0].tolist() == [1.0, 2.0, 1.0, 2.0, 3.0, 3.0, 1.0]
