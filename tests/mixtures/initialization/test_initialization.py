"""The initializations: shapes, moments, and the settings that are refused."""

import numpy as np
import pytest

from isogmm.errors import OptionError
from isogmm.mixtures.affine_map import dense_map, diagonal_map, identity_map
from isogmm.mixtures.initialization import GaussianSpread, GivenMixture, UniformMeans

STARTS = {
    "uniform": UniformMeans(5.0, 2.0),
    "spread": GaussianSpread(),
    "given": GivenMixture(np.arange(12.0).reshape(4, 3), 0.5),
}


def make(start, chains=2, k=4, affine_map=None, seed=0):
    affine_map = identity_map(3) if affine_map is None else affine_map
    return start.initialize(np.random.default_rng(seed), chains, k, affine_map)


@pytest.mark.parametrize("name", STARTS)
def test_shapes_weights_and_seeds(name):
    mixture = make(STARTS[name])
    assert mixture.means.shape == (2, 4, 3)
    assert mixture.variances.shape == mixture.log_weights.shape == (2, 4)
    np.testing.assert_allclose(np.exp(mixture.log_weights), 0.25)
    np.testing.assert_array_equal(mixture.means, make(STARTS[name]).means)
    if name != "given":
        assert np.abs(mixture.means[0] - mixture.means[1]).max() > 0.1
        assert np.abs(mixture.means - make(STARTS[name], seed=1).means).max() > 0.1


@pytest.mark.parametrize("name", STARTS)
@pytest.mark.parametrize(("chains", "k"), [(0, 4), (2, 0), (2, -1)])
def test_fewer_than_one_chain_or_component_is_refused(name, chains, k):
    with pytest.raises(OptionError, match=f"at least 1, not {min(chains, k)}"):
        make(STARTS[name], chains, k)


def test_uniform_means_fill_the_box_of_the_users_space():
    affine_map = diagonal_map(np.array([1.0, -2.0, 0.0]), np.array([10.0, 0.1, 1.0]))
    mixture = make(UniformMeans(5.0, 2.0), 1, 4000, affine_map)
    positions = affine_map.forward(mixture.means)[0]
    assert np.abs(positions).max() <= 5.0
    # Uniform on [-5, 5]: variance 25/3, and its own error over 4,000 draws.
    error = 25 / 3 * np.sqrt(0.8 / 4000)
    assert np.all(np.abs(positions.var(axis=0) - 25 / 3) < 5 * error)
    np.testing.assert_array_equal(mixture.variances, 2.0)


@pytest.mark.parametrize("k", [1, 2, 16])
@pytest.mark.parametrize("share", [0.0, 0.25, 0.9])
def test_the_spread_has_the_mean_and_trace_of_the_gaussian(k, share):
    root = np.random.default_rng(5).normal(size=(3, 3)) + 2 * np.eye(3)
    affine_map = dense_map(np.array([5.0, 0.0, -5.0]), root @ root.T)
    mixture = make(GaussianSpread(share), 2, k, affine_map)
    for chain in range(2):
        np.testing.assert_allclose(mixture[chain].mean(), affine_map.center, atol=1e-12)
        inverse = np.linalg.inv(affine_map.factor)
        whitened = inverse @ mixture[chain].covariance() @ inverse.T
        assert np.trace(whitened) == pytest.approx(3.0, rel=1e-10)
    if k == 1:
        np.testing.assert_array_equal(mixture.variances, 1.0)


def test_given_arrays_are_taken_as_they_are():
    means = np.random.default_rng(0).normal(size=(2, 4, 3))
    weights = np.array([1.0, 2.0, 3.0, 4.0])
    affine_map = diagonal_map(np.ones(3), np.array([2.0, 3.0, 4.0]))
    mixture = make(GivenMixture(means, [0.1, 0.2, 0.3, 0.4], weights), affine_map=affine_map)
    np.testing.assert_allclose(affine_map.forward(mixture.means), means)
    np.testing.assert_array_equal(mixture.variances, [[0.1, 0.2, 0.3, 0.4]] * 2)
    np.testing.assert_allclose(np.exp(mixture.log_weights), [weights / 10] * 2)


@pytest.mark.parametrize(
    ("make_bad", "message"),
    [
        (
            lambda: make(GivenMixture(np.zeros((5, 3)), 1.0)),
            "means of the initial mixture",
        ),
        (lambda: make(GivenMixture(np.zeros(3), 1.0)), "require \\(2, 4, 3\\)"),
        (
            lambda: make(GivenMixture(np.zeros((4, 3)), np.ones(3))),
            "variances of the initial",
        ),
        (
            lambda: GivenMixture(np.zeros((4, 3)), [1.0, 0.0, 1.0, 1.0]),
            "positive, but the smallest",
        ),
        (
            lambda: GivenMixture(np.full((4, 3), np.nan), 1.0),
            "mixture must be finite",
        ),
        (
            lambda: GivenMixture(np.zeros((4, 3)), 1.0, -np.ones(4)),
            "weights of the initial",
        ),
        (lambda: UniformMeans(half_width=0.0), "half_width must be a positive number"),
        (lambda: UniformMeans(variance=-1.0), "variance must be a positive number"),
        (lambda: GaussianSpread(1.0), "share must be in"),
    ],
)
def test_impossible_starts_are_refused(make_bad, message):
    with pytest.raises(OptionError, match=message):
        make_bad()
