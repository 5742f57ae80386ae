"""Kinds of trajectories: long ones only where they are efficient."""

import numpy as np

from isogmm.draws.chains.convergence import independence_threshold
from isogmm.draws.chains.sampler import Sampler
from isogmm.draws.chains.state import start_chains
from isogmm.draws.chains.trajectories import MIN_RATED_TRANSITIONS, Kind, Trajectories
from isogmm.mixtures.affine_map import dense_map
from isogmm.model.target import Target

ONE = np.zeros(400, dtype=int)


def correlated(share: float) -> tuple[np.ndarray, np.ndarray]:
    """Positions before and after a transition, with this correlation."""
    generator = np.random.default_rng(0)
    before, noise = generator.standard_normal((2, 400, 3))
    return before, share * before + np.sqrt(1 - share**2) * noise


def updated(short: float, long: float) -> Trajectories:
    """Transitions that leave these correlations for 4 and 12 gradients."""
    trajectories = Trajectories()
    trajectories.update(Kind.SHORT, *correlated(short), ONE, 4.0)
    trajectories.update(Kind.LONG, *correlated(long), ONE, 12.0)
    return trajectories


def kinds(trajectories: Trajectories, begin: int, *, has_neck: bool = False) -> list[Kind]:
    return [trajectories.choose(count, has_neck=has_neck) for count in range(begin, begin + 3)]


def test_every_third_is_long_until_both_kinds_are_rated():
    trajectories = Trajectories()
    assert kinds(trajectories, 9) == [Kind.SHORT, Kind.SHORT, Kind.LONG]
    trajectories.update(Kind.SHORT, *correlated(0.5), ONE, 4.0)
    assert kinds(trajectories, 9) == [Kind.SHORT, Kind.SHORT, Kind.LONG]


def test_long_ones_must_decorrelate_as_three_short_ones_do():
    # Three short ones leave 0.9³ = 0.73.
    assert kinds(updated(0.9, 0.5), 9) == [Kind.SHORT, Kind.SHORT, Kind.LONG]
    assert kinds(updated(0.9, 0.85), 9) == [Kind.SHORT] * 3


def test_short_ones_are_used_where_both_decorrelate_completely():
    assert kinds(updated(0.0, 0.0), 9) == [Kind.SHORT] * 3


def test_correlations_below_the_threshold_count_as_the_threshold():
    trajectories = updated(0.0, 0.0)
    (efficiency,) = trajectories._efficiencies[Kind.SHORT]
    assert efficiency == -np.log(independence_threshold(400, 3)) / 4.0


def test_efficiencies_do_not_decide_in_the_first_transitions():
    assert kinds(updated(0.5, 0.5), MIN_RATED_TRANSITIONS - 3) == [
        Kind.SHORT,
        Kind.SHORT,
        Kind.LONG,
    ]
    assert kinds(updated(0.5, 0.5), MIN_RATED_TRANSITIONS) == [Kind.SHORT] * 3


def test_the_last_two_of_a_kind_count():
    trajectories = updated(0.5, 0.0)
    for share in (0.9, 0.9):
        trajectories.update(Kind.SHORT, *correlated(share), ONE, 4.0)
    assert trajectories.long_is_efficient


def test_necks_get_steps_of_all_sizes():
    assert kinds(updated(0.5, 0.5), 9, has_neck=True) == [Kind.SHORT, Kind.MIXED, Kind.SHORT]
    trajectories = updated(0.5, 0.5)
    trajectories.update(Kind.MIXED, *correlated(0.99), ONE, 3.0)
    assert not trajectories.long_is_efficient


def test_chains_on_a_gaussian_take_short_trajectories_once_tuned():
    def evaluate(positions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return -0.5 * (positions**2).sum(axis=-1), -positions

    target = Target(
        variables={"x": (5,)},
        evaluate_point=evaluate,
        evaluate_batch=evaluate,
        constrain=lambda positions, seed: {"posterior": {"x": positions}},
        initial_positions=lambda generator, count: generator.standard_normal((count, 5)),
    )
    generator = np.random.default_rng(1)
    chains = start_chains(
        target, generator.standard_normal((400, 5)), dense_map(np.zeros(5), np.eye(5))
    )
    sampler = Sampler(target, chains, ONE, generator)
    gradients = []
    for _ in range(12):
        before = sampler.target.num_gradient_evaluations
        sampler.transition(tune=True)
        gradients.append((sampler.target.num_gradient_evaluations - before) / 400)
    # The third and the sixth are long, because the efficiencies are not yet used.
    assert min(gradients[2], gradients[5]) > 2 * max(gradients[3:5])
    assert max(gradients[MIN_RATED_TRANSITIONS:]) < min(gradients[2], gradients[5])
