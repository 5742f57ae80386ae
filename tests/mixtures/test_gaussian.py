"""Gaussian mixtures: density, score, draws and moments against SciPy."""

import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import multivariate_normal

from helpers.tolerances import assert_within_error, standard_error
from isogmm.errors import OptionError
from isogmm.mixtures.abstract import mixture_of
from isogmm.mixtures.affine_map import dense_map, identity_map
from isogmm.mixtures.gaussian import GaussianMixture
from isogmm.mixtures.isotropic import IsotropicMixture

DIM, COUNT, CHAINS = 3, 4, 2


def make(kind="full", seed=0, chains=(CHAINS,)):
    generator = np.random.default_rng(seed)
    means = generator.normal(size=(*chains, COUNT, DIM))
    roots = 0.5 * generator.normal(size=(*chains, COUNT, DIM, DIM)) + np.eye(DIM)
    covariances = roots @ np.swapaxes(roots, -1, -2)
    if kind == "diagonal":
        covariances = np.diagonal(covariances, axis1=-2, axis2=-1).copy()
    weights = generator.dirichlet(np.ones(COUNT), size=chains)
    root = generator.normal(size=(DIM, DIM))
    affine = dense_map(generator.normal(size=DIM), root @ root.T + np.eye(DIM))
    return GaussianMixture(means, covariances, np.log(weights), affine)


def parts(mixture, chain):
    """Weights, means and covariances in the user's space, by the definition."""
    affine = mixture.affine_map
    for k in range(COUNT):
        sigma = mixture.covariances[chain, k]
        sigma = np.diag(sigma) if sigma.ndim == 1 else sigma
        mean = affine.center + affine.factor @ mixture.means[chain, k]
        yield np.exp(mixture.log_weights[chain, k]), mean, affine.factor @ sigma @ affine.factor.T


def density(mixture, chain, x):
    return sum(w * multivariate_normal(m, s).pdf(x) for w, m, s in parts(mixture, chain))


@pytest.mark.parametrize("kind", ["full", "diagonal"])
class TestAgainstSciPy:
    def test_density(self, kind):
        mixture = make(kind)
        x = np.random.default_rng(1).normal(size=(7, DIM))
        for chain in range(CHAINS):
            expected = np.log(density(mixture, chain, x))
            np.testing.assert_allclose(mixture[chain].log_prob(x), expected, rtol=1e-10)
            np.testing.assert_allclose(mixture[chain].log_prob(x[0]), expected[0], rtol=1e-10)
        pooled = np.mean([density(mixture, chain, x) for chain in range(CHAINS)], axis=0)
        np.testing.assert_allclose(mixture.pooled().log_prob(x), np.log(pooled), rtol=1e-10)

    def test_score_is_the_gradient(self, kind):
        mixture = make(kind)[1]
        x = np.random.default_rng(2).normal(size=(5, DIM))
        step = 1e-5
        moves = step * np.eye(DIM)
        numeric = np.stack(
            [(mixture.log_prob(x + m) - mixture.log_prob(x - m)) / (2 * step) for m in moves], 1
        )
        np.testing.assert_allclose(mixture.score(x), numeric, atol=1e-7)

    def test_responsibilities(self, kind):
        mixture = make(kind)
        x = np.random.default_rng(3).normal(size=(5, DIM))
        joint = np.stack(
            [w * multivariate_normal(m, s).pdf(x) for w, m, s in parts(mixture, 0)], axis=1
        )
        expected = joint / joint.sum(axis=1, keepdims=True)
        np.testing.assert_allclose(mixture[0].responsibilities(x), expected, rtol=1e-9)

    def test_moments(self, kind):
        mixture = make(kind)
        for chain in range(CHAINS):
            mean = sum(w * m for w, m, _ in parts(mixture, chain))
            second = sum(w * (s + np.outer(m, m)) for w, m, s in parts(mixture, chain))
            np.testing.assert_allclose(mixture.mean()[chain], mean)
            covariance = second - np.outer(mean, mean)
            np.testing.assert_allclose(mixture.covariance()[chain], covariance, atol=1e-12)

    def test_draws_have_the_moments(self, kind):
        mixture = make(kind)
        draws, components = mixture.sample(np.random.default_rng(4), 20_000)
        assert draws.shape == (CHAINS, 20_000, DIM)
        assert components.shape == (CHAINS, 20_000)
        for chain in range(CHAINS):
            mean, covariance = mixture.mean()[chain], mixture.covariance()[chain]
            assert_within_error(draws[chain].mean(0), mean, standard_error(draws[chain]))
            centered = draws[chain] - mean
            products = centered[:, :, None] * centered[:, None, :]
            assert_within_error(products.mean(0), covariance, standard_error(products))

    def test_some_coordinates(self, kind):
        mixture = make(kind)
        means, covariances = mixture.block([2, 0])
        for k, (_, m, s) in enumerate(parts(mixture, 1)):
            np.testing.assert_allclose(means[1, k], m[[2, 0]])
            np.testing.assert_allclose(covariances[1, k], s[np.ix_([2, 0], [2, 0])])
        one = mixture.marginal(1)
        np.testing.assert_allclose(one[0], mixture.block([1])[0][..., 0])
        np.testing.assert_allclose(one[1], mixture.block([1])[1][..., 0, 0])

    def test_on_jax(self, kind):
        import jax

        mixture = make(kind)[0]
        x = np.random.default_rng(5).normal(size=(6, DIM))
        with jax.numpy_rank_promotion("allow"):
            there = mixture.mapped(jnp.asarray).log_prob(jnp.asarray(x))
        np.testing.assert_allclose(there, mixture.log_prob(x), rtol=1e-9)


def test_isotropic_mixtures_are_members():
    generator = np.random.default_rng(0)
    isotropic = IsotropicMixture(
        generator.normal(size=(2, 3, DIM)),
        generator.uniform(0.5, 2.0, (2, 3)),
        np.log(np.full((2, 3), 1 / 3)),
        make().affine_map,
    )
    x = generator.normal(size=(6, DIM))
    for diagonal in (False, True):
        member = GaussianMixture.from_isotropic(isotropic, diagonal)
        assert member.is_diagonal == diagonal
        np.testing.assert_allclose(member[0].log_prob(x), isotropic[0].log_prob(x), rtol=1e-10)
    np.testing.assert_allclose(isotropic.block([1, 2])[1], member.block([1, 2])[1], rtol=1e-12)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"covariances": np.ones((COUNT, 2))}, "covariances have shape"),
        ({"covariances": -np.ones((COUNT, DIM))}, "positive definite"),
        ({"covariances": -np.stack([np.eye(DIM)] * COUNT)}, "positive definite"),
        ({"log_weights": np.zeros(2)}, "log_weights has shape"),
        ({"means": np.zeros((0, DIM))}, "k >= 1"),
    ],
)
@pytest.mark.usefixtures("unchecked")
def test_shapes_that_do_not_agree(change, message):
    good = {
        "means": np.zeros((COUNT, DIM)),
        "covariances": np.ones((COUNT, DIM)),
        "log_weights": np.full(COUNT, -np.log(COUNT)),
    }
    with pytest.raises(OptionError, match=message):
        GaussianMixture(**{**good, **change})


# --- families that are not known ----------------------------------------------------------------


def test_stored_arrays_of_no_known_family_are_an_error():
    arrays = {"means": np.zeros((2, 3)), "variance": np.ones(()), "log_weights": np.zeros(2)}
    with pytest.raises(OptionError, match="import the module that defines the family"):
        mixture_of(arrays, identity_map(3, np.dtype(float)))
