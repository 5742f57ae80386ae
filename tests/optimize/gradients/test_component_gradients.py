"""The gradients against finite differences, a transcription, and each other."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from helpers import transcription
from helpers.finite_differences import check_against_finite_differences
from helpers.targets import gaussian, isotropic_mixture
from helpers.tolerances import assert_within_error, standard_error
from isogmm.errors import OptionError
from isogmm.optimize.gradients import (
    GaussHermite,
    MonteCarlo,
    component_gradients,
    evidence_lower_bound,
)


def evaluate_gradients(estimator, truth, means, variances, weights, seed=0):
    """The library's gradients of one mixture (k, d), and those of a chain axis taken off."""
    k, d = means.shape
    noise = estimator.noise(np.random.default_rng(seed), 1, k, d)
    offsets = np.sqrt(variances)[None, :, None, None] * noise
    points = means[None, :, None] + offsets
    values, gradients = truth.log_density_and_gradient(points.reshape(-1, d))
    result = component_gradients(
        offsets,
        values.reshape(points.shape[:-1]),
        gradients.reshape(points.shape),
        means[None],
        variances[None],
        np.log(weights)[None],
        estimator.sample_weights(d),
    )
    return tuple(part[0] for part in result[:3])


def by_quadrature(truth, means, variances, weights):
    return evaluate_gradients(GaussHermite(60), truth, means, variances, weights)[:2]


def with_the_components_own_score(truth, means, variances, weights):
    k, d = means.shape
    noise = GaussHermite(60).noise(np.random.default_rng(0), 1, k, d)[0]
    node_weights = GaussHermite(60).sample_weights(d)
    delta = -np.sqrt(1 / variances)[:, None, None] * noise
    points = means[:, None] + np.sqrt(variances)[:, None, None] * noise
    gradients = truth.log_density_and_gradient(points.reshape(-1, d))[1]
    delta = delta - gradients.reshape(points.shape)
    offsets = points - means[:, None]
    g = np.einsum("s,ksd->kd", node_weights, delta)
    return g, np.einsum("s,ksd,ksd->k", node_weights, offsets, delta) / (d * variances)


@pytest.mark.parametrize("dim", [1, 2])
def test_gradients_are_derivatives_of_the_kl(dim):
    check_against_finite_differences(by_quadrature, dim)


@pytest.mark.parametrize("dim", [1, 2])
def test_the_components_own_score_is_rejected(dim):
    with pytest.raises(AssertionError, match="Not equal to tolerance"):
        check_against_finite_differences(with_the_components_own_score, dim)


@pytest.mark.parametrize("dim", [1, 2, 5])
@pytest.mark.parametrize("antithetic", [False, True])
def test_equal_to_the_transcription(dim, antithetic):
    generator = np.random.default_rng(dim)
    means, variances = generator.normal(size=(4, dim)), generator.uniform(0.3, 2, 4)
    weights = generator.dirichlet(np.ones(4))
    truth = isotropic_mixture(generator.normal(size=(3, dim)), [0.5, 1.0, 2.0])
    estimator = MonteCarlo(6, antithetic)
    noise = estimator.noise(np.random.default_rng(7), 1, 4, dim)[0]
    ours = evaluate_gradients(estimator, truth, means, variances, weights, seed=7)
    theirs = transcription.gradients(
        noise, truth.log_density, truth.gradient, means, variances, weights
    )
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("antithetic", [False, True])
def test_monte_carlo_agrees_with_quadrature_within_its_error(antithetic):
    means = np.array([[-0.6, 0.2], [0.5, -0.3]])
    variances, weights = np.array([0.7, 1.1]), np.array([0.3, 0.7])
    truth = gaussian([0.2, -0.1], [[1.0, 0.5], [0.5, 0.8]])
    exact = evaluate_gradients(GaussHermite(60), truth, means, variances, weights)
    repeats = [
        evaluate_gradients(MonteCarlo(4, antithetic), truth, means, variances, weights, seed)
        for seed in range(400)
    ]
    for estimates, value in zip(zip(*repeats, strict=True), exact, strict=True):
        estimates = np.array(estimates)
        error = estimates.std(axis=0, ddof=1) / np.sqrt(len(estimates))
        assert_within_error(estimates.mean(axis=0), value, error)


def test_antithetic_pairs_are_exact_for_the_mean_of_a_gaussian():
    truth = gaussian([1.0, -2.0, 0.5], np.diag([0.5, 1.0, 4.0]))
    means, variances = np.array([[0.3, 0.1, -0.7]]), np.array([0.8])
    g, _, _ = evaluate_gradients(MonteCarlo(2), truth, means, variances, np.ones(1))
    np.testing.assert_allclose(g[0], truth.precisions[0] @ (means[0] - truth.means[0]), rtol=1e-12)


def test_samples_without_a_finite_density_are_left_out_and_counted():
    generator = np.random.default_rng(3)
    means, variances = generator.normal(size=(1, 2, 3)), np.array([[0.5, 1.5]])
    log_weights, sample_weights = np.log([[0.4, 0.6]]), np.full(5, 0.2)
    noise = generator.normal(size=(1, 2, 5, 3))
    offsets = np.sqrt(variances)[..., None, None] * noise
    values, gradients = generator.normal(size=(1, 2, 5)), generator.normal(size=(1, 2, 5, 3))
    values[0, 0, [1, 3]] = -np.inf
    gradients[0, 0, [1, 3]] = 0.0
    masked = component_gradients(
        offsets, values, gradients, means, variances, log_weights, sample_weights
    )
    kept = [0, 2, 4]
    expected = component_gradients(
        offsets[:, :, kept],
        values[:, :, kept],
        gradients[:, :, kept],
        means,
        variances,
        log_weights,
        np.full(3, 1 / 3),
    )
    np.testing.assert_array_equal(masked.num_finite, [[3, 5]])
    for a, b in zip(masked[:3], expected[:3], strict=True):
        np.testing.assert_allclose(a[0, 0], b[0, 0], rtol=1e-13)

    values[0, 0] = -np.inf
    gradients[0, 0] = 0.0
    none = component_gradients(
        offsets, values, gradients, means, variances, log_weights, sample_weights
    )
    assert none.num_finite[0, 0] == 0
    assert not np.any(none.means[0, 0])
    assert none.variances[0, 0] == none.local_kl[0, 0] == 0
    # The bound is that of the component that was seen.
    np.testing.assert_allclose(
        evidence_lower_bound(none, log_weights), -none.local_kl[:, 1], rtol=1e-14
    )


def test_evidence_lower_bound_of_the_truth_is_the_evidence():
    truth = isotropic_mixture([[0.0, 1.0], [2.0, -1.0]], [0.5, 1.5], [0.3, 0.7])
    _, _, local_kl = evaluate_gradients(
        MonteCarlo(8), truth, truth.means, np.array([0.5, 1.5]), truth.weights
    )
    np.testing.assert_allclose(local_kl, 0.0, atol=1e-13)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_numpy_and_jax_agree_and_keep_the_type(dtype):
    generator = np.random.default_rng(0)
    c, k, s, d = 3, 4, 6, 5
    arguments = [
        generator.normal(size=(c, k, s, d)),
        generator.normal(size=(c, k, s)),
        generator.normal(size=(c, k, s, d)),
        generator.normal(size=(c, k, d)),
        generator.uniform(0.5, 2, (c, k)),
        np.log(generator.dirichlet(np.ones(k), c)),
        np.full(s, 1 / s),
    ]
    arguments[1][0, 0, 0] = -np.inf
    arguments = [a.astype(dtype) for a in arguments]
    ours = component_gradients(*arguments)
    # The optimization loop broadcasts ranks as the array API does.
    with jax.numpy_rank_promotion("allow"):
        theirs = jax.jit(component_gradients)(*map(jnp.asarray, arguments))
    tolerance = 1e-10 if dtype == np.float64 else 1e-4
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)
    for part in (*ours[:3], *theirs[:3]):
        assert part.dtype == dtype


def test_quadrature_weights_sum_to_one_and_integrate_the_variance():
    for dim in (1, 2, 3):
        nodes = GaussHermite(8).noise(np.random.default_rng(0), 1, 1, dim)[0, 0]
        weights = GaussHermite(8).sample_weights(dim)
        assert weights.sum() == pytest.approx(1.0, abs=1e-13)
        np.testing.assert_allclose((weights[:, None] * nodes).T @ nodes, np.eye(dim), atol=1e-12)


def test_noise_has_the_promised_shape_and_pairs():
    noise = MonteCarlo(6).noise(np.random.default_rng(0), 2, 3, 4)
    assert noise.shape == (2, 3, 6, 4)
    np.testing.assert_array_equal(noise[:, :, :3], -noise[:, :, 3:])
    plain = MonteCarlo(5, antithetic=False).noise(np.random.default_rng(0), 2, 3, 4)
    assert plain.shape == (2, 3, 5, 4)
    # No draw is the opposite of another one of its component, and all of them are normal draws.
    sums = plain[:, :, :, None] + plain[:, :, None, :]
    assert np.abs(sums).max(axis=-1).min() > 0.0
    many = MonteCarlo(20_000, antithetic=False).noise(np.random.default_rng(1), 1, 1, 4)[0, 0]
    assert_within_error(many.mean(0), np.zeros(4), standard_error(many))
    assert_within_error((many**2).mean(0), np.ones(4), standard_error(many**2))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: MonteCarlo(0, antithetic=False), "at least 1, not 0"),
        (lambda: MonteCarlo(3), "antithetic=False"),
        (lambda: GaussHermite(1), "at least 2"),
        (lambda: GaussHermite(20).noise(np.random.default_rng(0), 1, 1, 4), "20\\^4 nodes"),
        (lambda: GaussHermite(20).sample_weights(7), "MonteCarlo"),
    ],
)
def test_impossible_options_are_refused(make, message):
    with pytest.raises(OptionError, match=message):
        make()
