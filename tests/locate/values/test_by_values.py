"""The search without gradients: maxima, curvature, moments, modes, errors and interrupts."""

import numpy as np
import pytest

from helpers.targets import correlated_gaussian, gaussian, isotropic_mixture, make_target, nowhere
from helpers.tolerances import NUM_STANDARD_ERRORS
from isogmm.errors import DeadlineReachedError, ModelError
from isogmm.locate.locate import Locate, locate
from isogmm.locate.located import SearchEnd
from isogmm.locate.values.by_values import MIN_GAIN_NATS, ValueSearch
from isogmm.locate.values.moment_matching import moment_matched
from isogmm.model.fit_target import FitTarget

pytestmark = pytest.mark.usefixtures("unchecked")


def values_of(truth):
    """A target whose gradient is wrong: NaN would make its values -inf."""
    return without_gradient(make_target(truth.log_density_and_gradient, truth.dim))


def without_gradient(target):
    target.has_gradient = False
    return target


@pytest.mark.parametrize(("center", "scale"), [(0.0, 1.0), (1e3, 1e-3), (-1e5, 1e4)])
def test_maximum_and_curvature_of_a_gaussian(center, scale):
    shape = correlated_gaussian(4, condition=100.0, seed=1)
    truth = gaussian(center + scale * shape.means[0], scale**2 * shape.covariances[0])
    search = ValueSearch(FitTarget.of(values_of(truth)), np.random.default_rng(0), Locate())
    search._follow("model", np.zeros((1, 4)))
    (maximum,) = search.maxima
    # The last path gains less than this; half of the squared distance in standard deviations.
    top = truth.log_density(truth.means[0])
    assert top - maximum.log_density < MIN_GAIN_NATS
    # Differences of a quadratic function are exact up to rounding, which the position enlarges.
    whitened = np.linalg.solve(np.linalg.cholesky(truth.covariances[0]), maximum.factor)
    np.testing.assert_allclose(whitened @ whitened.T, np.eye(4), atol=1e-3)


def test_moments_of_a_skewed_density():
    """Independent logarithms of gamma variables of shape 2, with the variance π²/6 - 1."""
    target = without_gradient(
        make_target(lambda x: ((2 * x - np.exp(x)).sum(axis=1), np.zeros(x.shape)), 3)
    )
    start = np.full(3, np.log(2.0)), np.sqrt(0.5) * np.eye(3)  # the Laplace approximation
    found = moment_matched(target, np.random.default_rng(0), *start)
    variances = np.diag(found.factor @ found.factor.T)
    # ELBO of N(m, v): 2 m - exp(m + v / 2) + (1 + log 2π v) / 2 for each coordinate.
    mean, variance = start[0], np.full(3, 0.5)
    before, after = (
        (2 * m - np.exp(m + v / 2) + 0.5 * (1 + np.log(2 * np.pi * v))).sum()
        for m, v in ((mean, variance), (found.mean, variances))
    )
    # Its covariance has off-diagonal entries, which change the ELBO in second order.
    assert abs(found.elbo - after) < NUM_STANDARD_ERRORS * found.elbo_se + 0.01
    assert found.elbo > before - 0.01


@pytest.mark.long
@pytest.mark.parametrize("dim", [1, 3])
def test_two_modes_are_found_with_their_masses(dim):
    means = np.stack([np.full(dim, -4.0), np.full(dim, 4.0)])
    truth = isotropic_mixture(means, [0.25, 1.0], [0.7, 0.3])
    target = FitTarget.of(values_of(truth))
    found = locate(target, np.random.default_rng(0))
    assert found.end is SearchEnd.NO_NEW_MODE
    assert sum(found.mode_counts) == sum(found.num_starts.values())
    # The Gaussians are exact: the ELBO of each is the log of its mass, up to the other's tail.
    np.testing.assert_allclose(found.masses, [0.7, 0.3], atol=0.01)
    np.testing.assert_allclose(found.means, means, atol=0.02)


def test_one_mode_ends_the_search():
    found = locate(values_of(correlated_gaussian(3)), np.random.default_rng(0))
    assert found.end is SearchEnd.ONE_MODE
    assert len(found.means) == 1
    assert found.unseen == 0.0
    assert abs(found.elbo) < 1e-3  # normalized


def test_budgets_end_the_search():
    target = values_of(isotropic_mixture([[-4.0], [4.0]], [1.0, 1.0]))
    for options, end in (
        (Locate(max_starts=1), SearchEnd.MAX_STARTS),
        (Locate(max_evaluations=1), SearchEnd.MAX_EVALUATIONS),
    ):
        assert locate(target, np.random.default_rng(0), options).end is end


def test_no_finite_start_is_an_error():
    with pytest.raises(ModelError, match="no finite log density at any of 1040 starting points"):
        locate(without_gradient(nowhere(2)), np.random.default_rng(0))


def test_interrupts_deliver_what_is_known():
    truth = correlated_gaussian(3)
    target = FitTarget.of(values_of(truth))
    evaluate, calls = target.evaluate_batch, []

    def interrupted(positions):
        calls.append(len(positions))
        if len(calls) > 10:
            raise KeyboardInterrupt
        return evaluate(positions)

    target.evaluate_batch = interrupted
    found = locate(target, np.random.default_rng(0))
    assert found.end is SearchEnd.INTERRUPTED
    np.testing.assert_allclose(found.means[0], truth.means[0], atol=0.1)

    late = FitTarget.of(values_of(truth), max_seconds=1e-9)
    with pytest.raises(DeadlineReachedError):
        locate(late, np.random.default_rng(0))


def test_modes_that_one_path_reached_leave_a_chance_of_further_ones():
    target = values_of(isotropic_mixture(np.linspace(-12.0, 12.0, 9)[:, None], np.full(9, 0.02)))
    found = locate(target, np.random.default_rng(1), Locate(max_starts=1))
    singles = sum(maximum.count == 1 for maximum in found.maxima)
    assert singles > 0
    assert found.unseen == singles / sum(found.num_starts.values())
