"""The score function against finite differences, Stein's identity, and its own variance."""

import jax
import numpy as np
import pytest

from helpers.finite_differences import check_against_finite_differences
from helpers.targets import correlated_gaussian, gaussian, isotropic_mixture, make_target
from helpers.tolerances import assert_within_error
from isogmm import schedules, stopping, updates
from isogmm.errors import ModelError, OptionError
from isogmm.mixtures.gaussian import GaussianMixture
from isogmm.mixtures.isotropic import IsotropicMixture
from isogmm.optimize import optimize
from isogmm.optimize.fused import optimize_fused
from isogmm.optimize.gaussian.arrays import GaussianArrays
from isogmm.optimize.gradients import GaussHermite, ScoreFunction, score_function_gradients
from isogmm.optimize.whitening import AdaptDense

MEANS = np.array([[-0.6, 0.2], [0.5, -0.3]])
VARIANCES, WEIGHTS = np.array([0.7, 1.1]), np.array([0.3, 0.7])
#: The unnormalized constant of a log density, in nats.
CONSTANT = 100.0


def plain_average(features, values, weights):
    return (features * (values * weights)[..., None]).sum(axis=-2)


def gradients(estimator, truth, average, *, repeats=1, constant=0.0, seed=0):
    """The gradients of one mixture, estimated independently in every chain."""
    noise = estimator.noise(np.random.default_rng(seed), repeats, *MEANS.shape)
    offsets = np.sqrt(VARIANCES)[:, None, None] * noise
    points = MEANS[:, None] + offsets
    values = truth.log_density_and_gradient(points.reshape(-1, 2))[0].reshape(points.shape[:-1])
    mixture = (np.broadcast_to(part, (repeats, *part.shape)) for part in parts())
    return score_function_gradients(
        offsets, values + constant, *mixture, estimator.sample_weights(2), average
    )


def parts():
    return MEANS, VARIANCES, np.log(WEIGHTS)


def by_quadrature(truth, means, variances, weights):
    nodes = GaussHermite(60)
    k, d = means.shape
    offsets = np.sqrt(variances)[:, None, None] * nodes.noise(np.random.default_rng(0), 1, k, d)
    points = means[:, None] + offsets
    values = truth.log_density_and_gradient(points.reshape(-1, d))[0].reshape(1, k, -1)
    mixture = (means[None], variances[None], np.log(weights)[None])
    found = score_function_gradients(
        offsets, values, *mixture, nodes.sample_weights(d), plain_average
    )
    return found.means[0], found.variances[0]


@pytest.mark.parametrize("dim", [1, 2])
def test_gradients_are_derivatives_of_the_kl(dim):
    check_against_finite_differences(by_quadrature, dim)


@pytest.mark.parametrize("is_diagonal", [False, True])
def test_full_covariances_agree_with_steins_identity(is_diagonal):
    truth = isotropic_mixture([[0.4, -0.2], [-0.5, 0.6]], [1.2, 0.8])
    covariances = np.array([[[0.7, 0.2], [0.2, 0.9]], [[1.1, -0.3], [-0.3, 0.8]]])
    if is_diagonal:
        covariances = np.array([[0.7, 0.9], [1.1, 0.8]])
    arrays = GaussianArrays(MEANS[None], covariances[None], np.log(WEIGHTS)[None])
    nodes = GaussHermite(60)
    offsets = arrays.offsets(nodes.noise(np.random.default_rng(0), 1, 2, 2))
    points = MEANS[:, None] + offsets
    values, slopes = truth.log_density_and_gradient(points.reshape(-1, 2))
    values = values.reshape(points.shape[:-1])
    expected = arrays.gradients(
        offsets, values, slopes.reshape(points.shape), weights := (nodes.sample_weights(2))
    )
    found = arrays.value_gradients(offsets, values, weights, plain_average)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-8)


@pytest.mark.parametrize("antithetic", [False, True])
@pytest.mark.parametrize("control_variates", [False, True])
def test_no_bias(antithetic, control_variates):
    truth = gaussian([0.2, -0.1], [[1.0, 0.5], [0.5, 0.8]])
    exact = gradients(GaussHermite(60), truth, plain_average)
    estimator = ScoreFunction(4, antithetic, control_variates)
    found = gradients(estimator, truth, estimator.average, repeats=20_000)
    for name in ("means", "variances", "local_kl"):
        estimates = getattr(found, name)
        error = estimates.std(axis=0, ddof=1) / np.sqrt(len(estimates))
        assert_within_error(estimates.mean(axis=0), getattr(exact, name)[0], error)


def with_own_sample(features, values, weights):
    """Control variates estimated from all samples, those to which they are applied included."""
    squares = features**2 * weights[..., None]
    scale = (squares * values[..., None]).sum(-2) / squares.sum(-2)
    return (features * (values[..., None] - scale[..., None, :]) * weights[..., None]).sum(-2)


def test_control_variates_from_all_samples_have_a_bias():
    """The test above would find it."""
    truth = gaussian([0.2, -0.1], [[1.0, 0.5], [0.5, 0.8]])
    exact = gradients(GaussHermite(60), truth, plain_average).means[0]
    found = gradients(ScoreFunction(4, False), truth, with_own_sample, repeats=20_000).means
    error = found.std(axis=0, ddof=1) / np.sqrt(len(found))
    with pytest.raises(AssertionError):
        assert_within_error(found.mean(axis=0), exact, error)


def test_control_variates_remove_the_constant():
    truth = gaussian([0.2, -0.1], [[1.0, 0.5], [0.5, 0.8]])
    estimator, plain = ScoreFunction(8, False), ScoreFunction(8, False, control_variates=False)
    for name in ("means", "variances"):
        sds = [
            getattr(gradients(one, truth, one.average, repeats=2000, constant=c), name).std(axis=0)
            for one, c in ((estimator, 0.0), (estimator, CONSTANT), (plain, CONSTANT))
        ]
        np.testing.assert_allclose(sds[0], sds[1], rtol=1e-9)
        # Without them the sd is at least that of the score times the constant.
        assert np.all(sds[2] > 20 * sds[1])


def test_exact_where_the_mixture_is_the_target():
    truth, estimator = isotropic_mixture(MEANS, VARIANCES, WEIGHTS), ScoreFunction(4)
    found = gradients(estimator, truth, estimator.average, repeats=3, constant=CONSTANT)
    np.testing.assert_allclose(found.means, 0.0, atol=1e-11)
    np.testing.assert_allclose(found.variances, 0.0, atol=1e-11)


def test_samples_without_a_finite_density_are_left_out():
    estimator = ScoreFunction(6, False)
    noise = np.random.default_rng(0).normal(size=(1, 2, 6, 2))
    offsets = np.sqrt(VARIANCES)[:, None, None] * noise
    values = np.random.default_rng(1).normal(size=(1, 2, 6))
    values[0, 0, [1, 4]] = -np.inf
    values[0, 1] = np.nan
    mixture = [part[None] for part in parts()]
    found = score_function_gradients(
        offsets, values, *mixture, np.full(6, 1 / 6), estimator.average
    )
    kept = [0, 2, 3, 5]
    expected = score_function_gradients(
        offsets[:, :, kept], values[:, :, kept], *mixture, np.full(4, 0.25), estimator.average
    )
    np.testing.assert_array_equal(found.num_finite, [[4, 0]])
    for one, other in zip(found[:3], expected[:3], strict=True):
        np.testing.assert_allclose(one[0, 0], other[0, 0], rtol=1e-12)
        assert not np.any(one[0, 1])


@pytest.mark.parametrize(("control_variates", "count"), [(True, 2), (False, 3), (False, 0)])
def test_too_few_samples_are_refused(control_variates, count):
    with pytest.raises(OptionError, match="num_samples"):
        ScoreFunction(count, control_variates=control_variates)


# --- in the loop ------------------------------------------------------------------------------


def without_gradient(truth):
    target = make_target(truth.log_density_and_gradient, truth.dim)
    target.has_gradient = False
    return target


def fitted(target, start, rule, **options):
    return optimize(
        target,
        start,
        estimator=ScoreFunction(32),
        rule=rule,
        schedule=schedules.ConstantThenLinearDecay(0.1),
        stopping=stopping.MaxIterations(600),
        generator=0,
        **options,
    )


START = IsotropicMixture(np.zeros((2, 1, 3)), np.ones((2, 1)), np.zeros((2, 1)))


@pytest.mark.parametrize("backend", ["numpy", "jax"])
def test_the_loop_needs_no_gradient(backend, unchecked):
    truth = isotropic_mixture([[1.0, -2.0, 0.5]], [0.25])
    target = without_gradient(truth)
    rule = updates.BuresWasserstein(0.1)
    with jax.numpy_rank_promotion("allow"):  # the test suite is stricter than JAX
        found = fitted(target, START, rule, array_backend=backend).mixture
    # The gradient has no noise at the target itself, so that the fit converges to it.
    np.testing.assert_allclose(found.means[:, 0], [[1.0, -2.0, 0.5]] * 2, atol=1e-3)
    np.testing.assert_allclose(found.variances, 0.25, atol=1e-3)
    with pytest.raises(ModelError, match="has no gradient"):
        target.evaluate(np.zeros(3))


def test_full_covariances_in_the_loop(unchecked):
    from isogmm.optimize.gaussian import FullBuresWasserstein

    truth = correlated_gaussian(3, condition=4.0)
    rule = FullBuresWasserstein(step_size=0.1)
    found = fitted(without_gradient(truth), GaussianMixture.from_isotropic(START), rule).mixture
    np.testing.assert_allclose(found.covariances[:, 0], truth.covariances[[0, 0]], atol=1e-2)


def test_options_that_need_gradients_are_refused():
    target, rule = without_gradient(gaussian(np.zeros(3), np.eye(3))), updates.BuresWasserstein(0.1)
    with pytest.raises(OptionError, match="whitening="):
        fitted(target, START, rule, whitening=AdaptDense())
    with pytest.raises(OptionError, match="optimize_fused computes gradients"):
        optimize_fused(
            target,
            START,
            estimator=ScoreFunction(),
            rule=rule,
            schedule=schedules.Constant(0.1),
            stopping=stopping.MaxIterations(1),
            generator=0,
        )
