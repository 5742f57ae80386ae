"""Transitions of parallel chains, delayed rejection included, leave the target invariant."""

import numpy as np
import pytest

from helpers.targets import GaussianMixtureTruth, correlated_gaussian, half_space
from isogmm.draws.chains.hmc import TrajectorySettings, hmc_transition
from isogmm.draws.chains.leapfrog import leapfrog
from isogmm.draws.chains.state import start_chains
from isogmm.mixtures.affine_map import dense_map, identity_map

#: A narrow Gaussian inside a wide one: proposals with steps that suit the wide part are rejected
#: in the narrow one, where only the second try with smaller steps moves the chains.
TRUTH = GaussianMixtureTruth(
    np.zeros((2, 2)), np.array([np.eye(2), np.diag([0.01, 0.04])]), np.array([0.5, 0.5])
)
NUM_CHAINS = 6000
NUM_TRANSITIONS = 12


def exact_draws(truth, generator, count):
    components = generator.choice(len(truth.weights), p=truth.weights, size=count)
    roots = np.linalg.cholesky(truth.covariances)
    noise = generator.standard_normal((count, truth.dim))
    return truth.means[components] + np.einsum("nde,ne->nd", roots[components], noise)


def statistics(draws):
    """Functions of a draw whose means must not change: (n, ...) each."""
    radius = np.sqrt((draws**2).sum(axis=1))
    return np.column_stack(
        [
            draws,
            draws**2,
            radius < 0.2,
            radius < 0.5,
            radius > 2,
            TRUTH.log_density_and_gradient(draws)[0],
        ]
    )


def transition(target, chains, generator, step_size, length, **settings):
    settings = TrajectorySettings(step_size, length, **settings)
    return hmc_transition(target, chains, generator, settings)


def worst_error(step):
    """Largest change of a mean in standard errors, chains that start exactly distributed."""
    generator = np.random.default_rng(11)
    start = exact_draws(TRUTH, generator, NUM_CHAINS)
    chains = start_chains(TRUTH.target(512), start, identity_map(2))
    moves = np.zeros(NUM_CHAINS)
    for _ in range(NUM_TRANSITIONS):
        chains, _, moved = step(TRUTH.target(512), chains, generator)[:3]
        moves += moved
    reference = statistics(exact_draws(TRUTH, np.random.default_rng(12), 400_000))
    found = statistics(chains.positions)
    error = np.sqrt(found.var(axis=0) / len(found) + reference.var(axis=0) / len(reference))
    return np.abs((found.mean(axis=0) - reference.mean(axis=0)) / error).max(), moves.mean()


def right(target, chains, generator):
    return transition(target, chains, generator, 0.7, 1.5)


def wrong(target, chains, generator):
    """A common mistake: a rejected chain tries again without the factor of the rejections."""
    first, probability, moved, *_ = transition(
        target, chains, generator, 0.7, 1.5, retry_factor=0.0
    )
    second, _, moved_again, *_ = transition(target, first, generator, 0.175, 1.5, retry_factor=0.0)
    positions = np.where(moved[:, None], first.positions, second.positions)
    return start_chains(target, positions, chains.affine_map), probability, moved | moved_again


@pytest.mark.usefixtures("unchecked")
def test_second_tries_leave_the_target_invariant():
    error, moves = worst_error(right)
    assert error < 5
    # With the large step alone far fewer proposals are accepted.
    _, moves_without = worst_error(lambda t, c, g: transition(t, c, g, 0.7, 1.5, retry_factor=0.0))
    assert moves > 1.2 * moves_without


@pytest.mark.usefixtures("unchecked")
def test_third_tries_leave_the_target_invariant():
    def tries(number):
        return lambda t, c, g: transition(t, c, g, 0.7, 1.5, retry_factor=2.0, num_tries=number)

    # Half of the step is too large where the target is narrow, a quarter is not.
    error, moves = worst_error(tries(3))
    assert error < 5
    assert moves > 1.5 * worst_error(tries(2))[1]


def worst_error_of_middles(accepts):
    """As ``worst_error``, for the middle states of chains that make third tries."""
    generator = np.random.default_rng(13)
    chains = start_chains(
        TRUTH.target(512), exact_draws(TRUTH, generator, NUM_CHAINS), identity_map(2)
    )
    settings = TrajectorySettings(0.7, 2.5, retry_factor=2.0, num_tries=3)
    middles = []
    for _ in range(4):
        result = hmc_transition(TRUTH.target(512), chains, generator, settings)
        middles.append((result.recycled if accepts else result.chains).positions)
        if not accepts:  # the middle states whatever their energy
            momenta = generator.standard_normal(chains.points.shape)
            steps = settings.step_sizes(len(momenta))
            middles[-1] = leapfrog(
                TRUTH.target(512), chains, momenta, steps, settings.tries()[0].num_steps
            ).middle.positions
        chains = result.chains
    reference = statistics(exact_draws(TRUTH, np.random.default_rng(12), 400_000))
    # The mean of each chain, since its states are dependent.
    found = np.mean([statistics(positions) for positions in middles], axis=0)
    error = np.sqrt(found.var(axis=0) / NUM_CHAINS + reference.var(axis=0) / len(reference))
    return np.abs((found.mean(axis=0) - reference.mean(axis=0)) / error).max()


@pytest.mark.usefixtures("unchecked")
def test_middle_states_are_distributed_as_the_target():
    assert worst_error_of_middles(accepts=True) < 5
    assert worst_error_of_middles(accepts=False) > 5


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(("num_steps", "middle"), [(1, 1), (2, 1), (3, 2), (5, 3)])
def test_the_middle_of_a_trajectory_is_the_end_of_a_shorter_one(num_steps, middle):
    generator = np.random.default_rng(0)
    target = TRUTH.target(512)
    chains = start_chains(target, exact_draws(TRUTH, generator, 5), identity_map(2))
    momenta, steps = generator.standard_normal((5, 2)), np.linspace(0.1, 0.5, 5)
    whole = leapfrog(target, chains, momenta, steps, num_steps)
    part = leapfrog(target, chains, momenta, steps, middle)
    np.testing.assert_allclose(whole.middle.points, part.end.points, atol=1e-12)
    np.testing.assert_allclose(whole.middle.gradients, part.end.gradients, atol=1e-12)
    np.testing.assert_allclose(whole.middle_decrease, part.energy_decrease, atol=1e-12)


@pytest.mark.usefixtures("unchecked")
def test_chains_with_too_large_steps_are_reported():
    # Scales of 1 and 1e-3: the step is far too large, and so is a quarter of it.
    target = correlated_gaussian(2, 1e6).target(512)
    start = exact_draws(correlated_gaussian(2, 1e6), np.random.default_rng(3), 300)
    chains = start_chains(target, start, identity_map(2))
    stuck = transition(target, chains, np.random.default_rng(4), 0.7, 1.5)
    assert np.array_equal(stuck.step_too_large, ~stuck.moved)
    assert stuck.step_too_large.mean() > 0.9
    fine = transition(target, chains, np.random.default_rng(4), 1e-3, 0.01)
    assert not fine.step_too_large.any()


@pytest.mark.usefixtures("unchecked")
def test_a_wrong_acceptance_is_detected():
    assert worst_error(wrong)[0] > 5


@pytest.mark.usefixtures("unchecked")
def test_a_map_changes_the_coordinates_and_not_the_target():
    truth = correlated_gaussian(3, 100.0)
    target, generator = truth.target(512), np.random.default_rng(0)
    affine_map = dense_map(truth.means[0] + 0.1, truth.covariances[0])
    start = exact_draws(truth, generator, 3000)
    chains = start_chains(target, start, affine_map)
    np.testing.assert_allclose(chains.positions, start, atol=1e-10)
    for _ in range(4):
        chains, probability, *_ = transition(target, chains, generator, 0.5, 1.5)
    # In whitened coordinates a step of half a standard deviation suits every direction.
    assert probability.mean() > 0.9
    error = np.sqrt(np.diag(truth.covariances[0]) / 3000)
    assert np.all(np.abs(chains.positions.mean(axis=0) - truth.means[0]) < 5 * error)
    moved = chains.moved_to(identity_map(3))
    np.testing.assert_allclose(moved.positions, chains.positions, atol=1e-10)
    np.testing.assert_allclose(
        moved.gradients, truth.log_density_and_gradient(chains.positions)[1], rtol=1e-8, atol=1e-8
    )


def test_starting_points_outside_the_support_are_replaced():
    positions = np.array([[-1.0, 0.0], [1.0, 0.5], [2.0, 0.5], [-3.0, 0.0]])
    chains = start_chains(half_space(2), positions, identity_map(2))
    assert np.all(chains.positions[:, 0] > 0)
    np.testing.assert_array_equal(chains.positions[1:3], positions[1:3])


@pytest.mark.usefixtures("unchecked")
def test_no_chain_leaves_the_support():
    target, generator = half_space(2), np.random.default_rng(1)
    start = np.abs(generator.standard_normal((2000, 2)))
    start[:, 1] *= generator.choice([-1.0, 1.0], 2000)
    chains = start_chains(target, start, identity_map(2))
    for _ in range(10):
        chains, *_ = transition(target, chains, generator, 0.4, 1.5)
    assert np.all(chains.positions[:, 0] > 0)
    # A half normal: mean sqrt(2/pi), variance 1 - 2/pi.
    error = np.sqrt((1 - 2 / np.pi) / 2000)
    assert abs(chains.positions[:, 0].mean() - np.sqrt(2 / np.pi)) < 5 * error
