"""Components in the tails make importance weights reliable, and do not change a good mixture."""

from types import SimpleNamespace

import numpy as np
import pytest
from scipy.stats import norm

from helpers.families import isotropic
from helpers.targets import gaussian, make_target
from isogmm.draws.pool import draw_pool
from isogmm.draws.weigh import weigh
from isogmm.mixtures.isotropic import IsotropicMixture
from isogmm.model.fit_target import FitTarget
from isogmm.optimize.loop import OptimizeResult
from isogmm.recipe.families.isotropic import family
from isogmm.recipe.families.isotropic.probe import (
    NUM_CHAINS,
    NUM_STEPS,
    NUM_TAIL_CHAINS,
    TAIL_MASS,
    THINNING,
    probe,
)
from isogmm.recipe.families.isotropic.tails import MAX_ROUNDS, NUM_NEW, Covered, cover_tails
from isogmm.recipe.thresholds import FLAT_RELATIVE_ESS, MAX_MISSED_SHARE
from isogmm.results.stop_reason import StopReason

pytestmark = pytest.mark.usefixtures("unchecked")


def start(target, *, variance=1.0, seed=0):
    """Two chains of one Gaussian each, and draws of them."""
    dim = target.dim
    mixture = IsotropicMixture(np.zeros((2, 1, dim)), np.full((2, 1), variance), np.zeros((2, 1)))
    generator = np.random.default_rng(seed)
    return mixture, draw_pool(target, mixture, generator, 1000), generator


def student(x):
    """Independent variables with 5 degrees of freedom; gradients are not used."""
    return -3.0 * np.log1p(x**2 / 5).sum(axis=1), np.zeros(x.shape)


@pytest.mark.long
def test_heavy_tails_are_covered():
    target = FitTarget.of(make_target(student, 2))
    mixture, pool, generator = start(target)
    assert weigh(pool).pareto_k > 0.5
    larger, fresh, missed = cover_tails(target, mixture, pool, generator)
    assert missed <= MAX_MISSED_SHARE
    assert weigh(fresh).pareto_k < 0.4
    num_new = larger.num_components - 1
    assert 0 < num_new <= NUM_NEW * MAX_ROUNDS
    np.testing.assert_allclose(np.exp(larger.log_weights).sum(axis=1), 1.0, rtol=1e-12)
    # The draws are new ones of the larger mixture.
    own = larger[0].log_prob(fresh.positions[0])
    np.testing.assert_allclose(fresh.log_q_own[0], own, rtol=1e-12)
    assert not np.isin(fresh.positions, pool.positions).any()
    # The second moment, 5 / 3 for each coordinate.  The error of weighted draws of this number:
    # the fourth moment is 25.
    weights = np.exp(weigh(fresh).log_weights)
    second = weights @ (fresh.positions.reshape(-1, 2) ** 2)
    error = np.sqrt((25 - (5 / 3) ** 2) / fresh.importance_ess())
    assert np.all(np.abs(second - 5 / 3) < 5 * error)


def test_reliable_weights_change_nothing():
    target = FitTarget.of(gaussian(np.zeros(2), np.eye(2)).target())
    mixture, pool, generator = start(target, variance=1.05)
    same, draws, missed = cover_tails(target, mixture, pool, generator)
    assert same is mixture
    assert draws is pool
    assert missed == 0.0


@pytest.mark.parametrize("reason", [StopReason.CONVERGED, StopReason.MAX_SECONDS])
def test_the_missed_share_is_reported(reason, monkeypatch):
    """If a limit ended the optimization, no search for tails follows."""
    target = FitTarget.of(make_target(student, 2), None)
    mixture, pool, generator = start(target)
    larger = SimpleNamespace()
    monkeypatch.setattr(family, "cover_tails", lambda *arguments: Covered(larger, pool, 0.3))
    context = SimpleNamespace(target=target, generator=generator)
    optimized = OptimizeResult(mixture, {}, reason, 30, None)
    found, _ = isotropic().without_chains(context, optimized, pool)
    is_covered = reason is StopReason.CONVERGED
    assert found.mixture is (larger if is_covered else mixture)
    assert found.missed_share == (0.3 if is_covered else 0.0)
    assert found.stop_reason is reason


def test_no_finite_draw_changes_nothing():
    target = FitTarget.of(make_target(lambda x: (np.full(len(x), -np.inf), np.zeros(x.shape)), 2))
    mixture, pool, generator = start(target)
    assert cover_tails(target, mixture, pool, generator)[0] is mixture


def test_random_walks_are_draws_of_the_target():
    """From exact draws of the target, all recorded positions are exact draws."""
    truth = gaussian(np.zeros(2), np.eye(2))
    target = FitTarget.of(truth.target())
    mixture, pool, generator = start(target)
    found = probe(target, mixture, pool, weigh(pool), generator)
    assert (~found.in_tail).sum() == NUM_CHAINS * NUM_STEPS // THINNING
    assert found.missed_share == 0.0
    np.testing.assert_allclose(found.log_weights, 0.0, atol=1e-9)
    # Positions of one chain depend on each other: the chains are the independent draws.
    squares = (found.positions[~found.in_tail] ** 2).reshape(-1, NUM_CHAINS, 2).mean(axis=0)
    assert np.all(np.abs(squares.mean(axis=0) - 1.0) < 5 * np.sqrt(2 / NUM_CHAINS))


def test_random_walks_find_mass_that_the_weights_do_not_show():
    """Half of the target is within reach of the mixture; its draws are all on the other half."""

    def two_halves(x):
        # Uniform on -1 < x < 1; the mixture below has next to no mass at x > 0.
        return np.where(np.abs(x).max(axis=1) < 1, 0.0, -np.inf), np.zeros(x.shape)

    target = FitTarget.of(make_target(two_halves, 1))
    mixture = IsotropicMixture(np.full((2, 1, 1), -0.5), np.full((2, 1), 0.01), np.zeros((2, 1)))
    generator = np.random.default_rng(0)
    pool = draw_pool(target, mixture, generator, 1000)
    assert not np.any(pool.positions > 0)
    found = probe(target, mixture, pool, weigh(pool), generator)
    assert found.missed_share > 0.1
    assert np.any(found.positions[found.missed] > 0)


def test_chains_in_the_tails_are_draws_of_the_tails():
    target = FitTarget.of(gaussian(np.zeros(1), np.eye(1)).target())
    mixture, pool, generator = start(target)
    found = probe(target, mixture, pool, weigh(pool), generator)
    positions = found.positions[found.in_tail].reshape(-1, NUM_TAIL_CHAINS)
    half = NUM_TAIL_CHAINS // 2
    assert np.all(positions[:, :half] < -2.0)
    assert np.all(positions[:, half:] > 2.0)
    # The mean of a standard normal beyond the quantile z of its tail: its density there over the
    # mass.  The bound is an order statistic of 2,000 draws, with a standard error of
    # sqrt(mass / 2000) / density = 0.084 for z; the mean moves by less than z does.
    z = norm.isf(TAIL_MASS)
    means = np.abs(positions).mean(axis=0)
    error = np.hypot(means.std() / np.sqrt(len(means)), 0.084)
    assert abs(means.mean() - norm.pdf(z) / TAIL_MASS) < 5 * error


def test_a_tail_of_one_percent_is_missed_by_one_gaussian():
    """No draw of the Gaussian is far out; the sd of the target is 16 % larger."""

    def contaminated(x):
        parts = np.log(0.99) - x**2 / 2, np.log(0.01 / 6) - x**2 / 72
        return np.logaddexp(*parts).sum(axis=1), np.zeros(x.shape)

    target = FitTarget.of(make_target(contaminated, 2))
    mixture, pool, generator = start(target)
    weights = weigh(pool)
    assert weights.relative_ess > FLAT_RELATIVE_ESS
    found = probe(target, mixture, pool, weights, generator)
    assert found.missed_share > MAX_MISSED_SHARE
    _, fresh, _ = cover_tails(target, mixture, pool, generator)
    second = np.exp(weigh(fresh).log_weights) @ fresh.positions.reshape(-1, 2) ** 2
    # 1.35 exactly; the fourth moment of a coordinate is 3 (0.99 + 0.01 * 36²) = 41.9.
    error = np.sqrt((41.9 - 1.35**2) / fresh.importance_ess())
    assert np.all(np.abs(second - 1.35) < 5 * error)
    assert np.all(second > 1.1)
