"""The mixture against SciPy, autodiff and its own draws, in both precisions and both backends."""

import tracemalloc

import jax
import jax.numpy as jnp
import jaxtyping
import numpy as np
import pytest
from scipy import stats
from scipy.special import logsumexp as scipy_logsumexp

from helpers.tolerances import assert_mean, rounding
from isogmm.arrays import logsumexp
from isogmm.errors import OptionError
from isogmm.mixtures.affine_map import AffineMap, dense_map, diagonal_map
from isogmm.mixtures.isotropic import IsotropicMixture
from isogmm.mixtures.isotropic_density import log_prob, log_prob_and_score

DTYPES = [np.float64, np.float32]
MAPS = ["none", "diagonal", "dense", "low_rank"]


def make_map(kind, dim, dtype=np.float64):
    generator = np.random.default_rng(11)
    center, scale = generator.normal(size=dim), generator.uniform(0.3, 3, dim)
    if kind == "none":
        return None
    if kind == "diagonal":
        return diagonal_map(center.astype(dtype), scale.astype(dtype))
    if kind == "dense":
        root = generator.normal(size=(dim, dim)) + 2 * np.eye(dim)
        factor = dense_map(center, root @ root.T).factor.astype(dtype)
        return AffineMap(center.astype(dtype), scale.astype(dtype), factor)
    vectors = np.linalg.qr(generator.normal(size=(dim, 2)))[0]
    return AffineMap(
        center=center.astype(dtype),
        scale=scale.astype(dtype),
        vectors=vectors.astype(dtype),
        values=np.array([3.0, 0.4], dtype),
    )


def make_mixture(kind="dense", dim=3, k=4, chains=(), dtype=np.float64, seed=0):
    generator = np.random.default_rng(seed)
    return IsotropicMixture(
        means=generator.normal(size=(*chains, k, dim)).astype(dtype),
        variances=generator.uniform(0.2, 2.0, (*chains, k)).astype(dtype),
        log_weights=np.log(generator.dirichlet(np.full(k, 3.0), chains)).astype(dtype),
        affine_map=make_map(kind, dim, dtype),
    )


def matrix_of(affine_map):
    return affine_map.linear(np.eye(len(affine_map.center))).T


def scipy_components(mixture):
    """Means and covariances in the user's coordinates, float64."""
    factor = matrix_of(mixture.affine_map).astype(float)
    means = mixture.affine_map.center + mixture.means.astype(float) @ factor.T
    return means, [v * factor @ factor.T for v in mixture.variances.astype(float)]


def scipy_log_prob(mixture, x):
    means, covariances = scipy_components(mixture)
    parts = [
        np.atleast_1d(stats.multivariate_normal(m, c).logpdf(x))
        for m, c in zip(means, covariances, strict=True)
    ]
    return scipy_logsumexp(np.stack(parts, -1) + mixture.log_weights.astype(float), axis=-1)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind", MAPS)
@pytest.mark.parametrize("dim", [2, 6])
def test_log_prob_is_scipys(kind, dim, dtype):
    mixture = make_mixture(kind, dim, dtype=dtype)
    x = np.random.default_rng(1).normal(scale=2, size=(50, dim)).astype(dtype)
    value = mixture.log_prob(x)
    assert value.dtype == dtype
    np.testing.assert_allclose(
        value, scipy_log_prob(mixture, x.astype(float)), rtol=rounding(dtype), atol=rounding(dtype)
    )
    assert mixture.log_prob(x[0]).shape == ()
    np.testing.assert_allclose(mixture.log_prob(x[0]), value[0], rtol=rounding(dtype))


@pytest.mark.parametrize("k", [1, 5])
def test_one_dimension_and_one_component(k):
    mixture = make_mixture("diagonal", 1, k)
    x = np.linspace(-5, 5, 21)[:, None]
    np.testing.assert_allclose(mixture.log_prob(x), scipy_log_prob(mixture, x), rtol=1e-10)
    assert mixture.covariance().shape == (1, 1)


@pytest.mark.long
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind", MAPS)
def test_score_is_the_gradient_of_log_prob(kind, dtype):
    mixture = make_mixture(kind, 4, dtype=dtype)
    means, covariances = scipy_components(mixture)
    means, covariances = jnp.asarray(means), jnp.asarray(np.stack(covariances))

    def reference(x):
        parts = jax.vmap(jax.scipy.stats.multivariate_normal.logpdf, in_axes=(None, 0, 0))(
            x, means, covariances
        )
        return jax.scipy.special.logsumexp(parts + mixture.log_weights.astype(float))

    x = np.random.default_rng(2).normal(size=(20, 4))
    with jax.numpy_rank_promotion("allow"), jax.numpy_dtype_promotion("standard"):
        expected = jax.vmap(jax.grad(reference))(jnp.asarray(x))
    score = mixture.score(x.astype(dtype))
    assert score.dtype == dtype
    np.testing.assert_allclose(score, expected, rtol=rounding(dtype), atol=rounding(dtype, 10))


@pytest.mark.parametrize("name", ["log_prob", "score", "responsibilities", "most_responsible"])
def test_one_position_gives_the_values_of_a_row(name):
    mixture = make_mixture("dense", 4)
    positions = np.random.default_rng(8).normal(size=(3, 4))
    function = getattr(mixture, name)
    single = function(positions[1])
    expected = function(positions)[1]
    assert np.shape(single) == np.shape(expected)
    np.testing.assert_allclose(single, expected, rtol=1e-12)


@pytest.mark.parametrize("dtype", DTYPES)
def test_far_from_the_origin_float32_keeps_its_digits(dtype):
    mixture = make_mixture("none", 3, dtype=dtype)
    far = IsotropicMixture(
        mixture.means + dtype(1000.0), mixture.variances, mixture.log_weights, None
    )
    x = np.random.default_rng(3).normal(size=(20, 3)).astype(dtype)
    np.testing.assert_allclose(
        far.log_prob(x + dtype(1000.0)),
        mixture.log_prob(x),
        rtol=1e-10 if dtype == np.float64 else 2e-3,
    )


def test_far_tails_are_finite_and_responsibilities_sum_to_one():
    mixture = make_mixture("dense", 3)
    x = 1e6 * np.random.default_rng(4).normal(size=(10, 3))
    assert np.all(np.isfinite(mixture.log_prob(x)))
    assert np.all(np.isfinite(mixture.score(x)))
    np.testing.assert_allclose(mixture.responsibilities(x).sum(-1), 1.0, rtol=1e-12)


def test_responsibilities_are_bayes_rule():
    mixture = make_mixture("dense", 3)
    x = np.random.default_rng(5).normal(size=(30, 3))
    means, covariances = scipy_components(mixture)
    joint = np.stack(
        [
            w * stats.multivariate_normal(m, c).pdf(x)
            for m, c, w in zip(means, covariances, np.exp(mixture.log_weights), strict=True)
        ],
        -1,
    )
    expected = joint / joint.sum(-1, keepdims=True)
    np.testing.assert_allclose(mixture.responsibilities(x), expected, rtol=1e-10)


@pytest.mark.parametrize("kind", MAPS)
def test_mean_and_covariance_by_the_law_of_total_variance(kind):
    mixture = make_mixture(kind, 3)
    means, covariances = scipy_components(mixture)
    weights = np.exp(mixture.log_weights)
    mean = weights @ means
    second = sum(
        w * (c + np.outer(m, m)) for w, m, c in zip(weights, means, covariances, strict=True)
    )
    np.testing.assert_allclose(mixture.mean(), mean, rtol=1e-12)
    np.testing.assert_allclose(mixture.covariance(), second - np.outer(mean, mean), atol=1e-11)


@pytest.mark.parametrize("kind", MAPS)
def test_marginals_have_the_moments_of_the_mixture(kind):
    mixture = make_mixture(kind, 3)
    for coordinate in range(3):
        means, variances, log_weights = mixture.marginal(coordinate)
        weights = np.exp(log_weights)
        mean = weights @ means
        assert mean == pytest.approx(mixture.mean()[coordinate], rel=1e-12)
        variance = weights @ (variances + means**2) - mean**2
        assert variance == pytest.approx(mixture.covariance()[coordinate, coordinate], rel=1e-11)
        expected = [c[coordinate, coordinate] for c in scipy_components(mixture)[1]]
        np.testing.assert_allclose(variances, expected, rtol=1e-12)


def test_draws_have_the_moments_and_strata_of_the_mixture():
    mixture = make_mixture("dense", 3)
    draws, components = mixture.sample(np.random.default_rng(6), 20_000)
    assert_mean(draws, mixture.mean())
    centered = draws - mixture.mean()
    assert_mean(
        (centered[:, :, None] * centered[:, None, :]).reshape(len(draws), -1),
        mixture.covariance().reshape(-1),
    )
    counts = np.bincount(components, minlength=4)
    assert np.all(np.abs(counts - 20_000 * np.exp(mixture.log_weights)) < 1.0 + 1e-9)
    # The order is random, not sorted by component.
    assert np.count_nonzero(np.diff(components)) > 5_000


def test_draws_come_from_the_component_they_name():
    mixture = IsotropicMixture(
        np.array([[-100.0], [100.0]]), np.array([1.0, 1.0]), np.log([0.3, 0.7])
    )
    draws, components = mixture.sample(np.random.default_rng(7), 100)
    np.testing.assert_array_equal(components, (draws[:, 0] > 0).astype(int))


def test_chains_are_mixtures_of_their_own():
    mixture = make_mixture("dense", 3, chains=(2,))
    x = np.random.default_rng(8).normal(size=(2, 10, 3))
    for chain in range(2):
        np.testing.assert_allclose(
            mixture.log_prob(x)[chain], mixture[chain].log_prob(x[chain]), rtol=1e-12
        )
        np.testing.assert_allclose(mixture.mean()[chain], mixture[chain].mean(), rtol=1e-12)
        np.testing.assert_allclose(
            mixture.covariance()[chain], mixture[chain].covariance(), rtol=1e-10, atol=1e-12
        )
    draws, components = mixture.sample(np.random.default_rng(9), 50)
    assert draws.shape == (2, 50, 3)
    assert components.shape == (2, 50)


def test_pooled_density_is_the_average_of_the_chains():
    mixture = make_mixture("dense", 3, chains=(2,))
    x = np.random.default_rng(10).normal(size=(10, 3))
    average = np.mean([np.exp(mixture[chain].log_prob(x)) for chain in range(2)], axis=0)
    np.testing.assert_allclose(np.exp(mixture.pooled().log_prob(x)), average, rtol=1e-12)
    # One chain is pooled already.
    single = mixture[0]
    assert single.pooled().num_components == single.num_components == 4
    np.testing.assert_array_equal(single.pooled().log_prob(x), single.log_prob(x))


@pytest.mark.parametrize("dtype", DTYPES)
def test_numpy_and_jax_agree(dtype):
    generator = np.random.default_rng(12)
    arrays = [
        generator.normal(size=(2, 30, 5)).astype(dtype),
        generator.normal(size=(2, 4, 5)).astype(dtype),
        generator.uniform(0.3, 2, (2, 4)).astype(dtype),
        np.log(generator.dirichlet(np.ones(4), 2)).astype(dtype),
    ]
    tolerance = 1e-10 if dtype == np.float64 else 1e-4
    with jax.numpy_rank_promotion("allow"):
        on_device = [jnp.asarray(a) for a in arrays]
        theirs = (jax.jit(log_prob)(*on_device), *jax.jit(log_prob_and_score)(*on_device))
    for a, b in zip((log_prob(*arrays), *log_prob_and_score(*arrays)), theirs, strict=True):
        assert a.dtype == b.dtype == dtype
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)


def test_logsumexp_of_nothing_is_minus_infinity():
    values = np.array([[-np.inf, -np.inf], [0.0, -np.inf], [-1000.0, -1000.0]])
    with np.errstate(divide="ignore"):
        result = logsumexp(values)
    np.testing.assert_allclose(result, [-np.inf, 0.0, -1000.0 + np.log(2)])


def test_memory_is_far_below_samples_times_components_times_dimension():
    n, k, d = 2_000, 64, 50
    generator = np.random.default_rng(0)
    points, means = generator.normal(size=(n, d)), generator.normal(size=(k, d))
    variances, log_weights = np.ones(k), np.full(k, -np.log(k))
    tracemalloc.start()
    log_prob_and_score(points, means, variances, log_weights)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    # An (n, k, d) array would take 51 MB; a dozen (n, k) ones and a few (n, d) take 15.
    assert peak < 0.4 * 8 * n * k * d


@pytest.mark.parametrize(
    ("shapes", "message"),
    [
        (((0, 3), (0,), (0,)), "k >= 1"),
        (((3,), (3,), (3,)), "shape \\(..., k, d\\)"),
        (((4, 3), (3,), (4,)), "variances has shape \\(3,\\)"),
        (((4, 3), (4,), (2, 4)), "log_weights has shape"),
    ],
)
def test_wrong_shapes_are_refused(shapes, message, monkeypatch):
    # Without the type checks of the test session, which would raise another error first.
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    means, variances, log_weights = (np.ones(shape) for shape in shapes)
    with pytest.raises(OptionError, match=message):
        IsotropicMixture(means, variances, log_weights)


@pytest.mark.parametrize("bad", [0.0, -1.0, np.nan])
def test_variances_that_are_not_positive_are_refused(bad):
    with pytest.raises(OptionError, match="variances must be positive"):
        IsotropicMixture(np.zeros((2, 3)), np.array([1.0, bad]), np.log([0.5, 0.5]))


def test_a_component_has_its_largest_density_at_its_mean():
    means = np.array([[1.0, -2.0]])
    found = log_prob(means, means, np.array([0.25]), np.zeros(1))
    np.testing.assert_allclose(found, -np.log(2.0 * np.pi * 0.25), rtol=1e-12)
