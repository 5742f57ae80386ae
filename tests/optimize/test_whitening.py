"""Adapted whitening: Gaussian targets become isotropic, means stay where they are."""

import numpy as np
import pytest

from helpers.targets import correlated_gaussian, gaussian
from isogmm.errors import OptionError
from isogmm.mixtures.affine_map import AffineMap, dense_map, diagonal_map, identity_map
from isogmm.optimize.whitening import AdaptDense, AdaptDiagonal

ADAPTATIONS = {"dense": AdaptDense(), "diagonal": AdaptDiagonal()}


def collect(adaptation, truth, affine_map, iterations=400, seed=0, variances=None):
    """Gradients of a truth at antithetic samples of components behind the map."""
    generator = np.random.default_rng(seed)
    chains, k, d = 2, 3, truth.dim
    means = generator.normal(size=(chains, k, d))
    variances = np.array([[0.5, 1.0, 2.0]] * chains) if variances is None else variances
    collector = adaptation.collector()
    for _ in range(iterations):
        half = generator.standard_normal((chains, k, 1, d))
        noise = np.concatenate([half, -half], axis=2)
        points = means[:, :, None] + np.sqrt(variances)[..., None, None] * noise
        gradients = truth.log_density_and_gradient(affine_map.forward(points.reshape(-1, d)))[1]
        gradients = affine_map.pull_back(gradients).reshape(points.shape)
        collector.add(gradients, variances, np.ones(points.shape[:-1], bool))
    return collector, means


def matrix_of(affine_map):
    return affine_map.linear(np.eye(len(affine_map.center))).T


def condition(truth, affine_map):
    factor = matrix_of(affine_map)
    values = np.linalg.eigvalsh(factor.T @ truth.precisions[0] @ factor)
    return values.max() / values.min()


@pytest.mark.parametrize(
    "start",
    [
        "identity",
        "low_rank",
        *(pytest.param(kind, marks=pytest.mark.long) for kind in ("diagonal", "dense")),
    ],
)
def test_dense_updates_make_the_precision_isotropic(start):
    truth = correlated_gaussian(5, 1e3)
    generator = np.random.default_rng(3)
    affine_map = {
        "identity": identity_map(5),
        "diagonal": diagonal_map(np.ones(5), generator.uniform(0.5, 2, 5)),
        "dense": dense_map(np.ones(5), truth.covariances[0] + 0.1 * np.eye(5)),
        "low_rank": AffineMap(
            center=np.ones(5),
            scale=np.ones(5),
            vectors=np.linalg.qr(generator.normal(size=(5, 2)))[0],
            values=np.array([2.0, 0.5]),
        ),
    }[start]
    for window in range(4):
        collector, means = collect(AdaptDense(), truth, affine_map, seed=window)
        affine_map, _ = collector.update(affine_map, means)
    assert condition(truth, affine_map) < 1.3


def test_diagonal_updates_make_the_scales_equal():
    scales = np.array([1e-3, 1.0, 30.0])
    truth = gaussian(np.zeros(3), np.diag(scales**2))
    affine_map = identity_map(3)
    for window in range(4):
        collector, means = collect(AdaptDiagonal(), truth, affine_map, seed=window)
        affine_map, _ = collector.update(affine_map, means)
    assert affine_map.kind == "diagonal"
    assert condition(truth, affine_map) < 1.3


@pytest.mark.parametrize("name", ADAPTATIONS)
def test_means_stay_where_they_are_and_volume_is_kept(name):
    truth = correlated_gaussian(4, 100.0)
    affine_map = dense_map(np.ones(4), truth.covariances[0] + np.eye(4))
    collector, means = collect(ADAPTATIONS[name], truth, affine_map)
    new_map, carried = collector.update(affine_map, means)
    np.testing.assert_allclose(new_map.forward(carried), affine_map.forward(means), rtol=1e-12)
    np.testing.assert_allclose(new_map.log_det(), affine_map.log_det(), atol=1e-12)
    assert np.abs(matrix_of(new_map) - matrix_of(affine_map)).max() > 0.01


@pytest.mark.parametrize("name", ADAPTATIONS)
def test_few_samples_change_little(name):
    truth = correlated_gaussian(30, 1e4)
    changes = []
    for iterations in (1, 50):
        collector, means = collect(ADAPTATIONS[name], truth, identity_map(30), iterations)
        new_map, _ = collector.update(identity_map(30), means)
        changes.append(np.linalg.cond(matrix_of(new_map)))
    assert changes[0] < changes[1]


def test_a_wild_gradient_is_clipped():
    truth = gaussian(np.zeros(3), np.eye(3))
    collector, means = collect(AdaptDense(), truth, identity_map(3), 100)
    wild = np.zeros((2, 3, 2, 3))
    wild[..., :, 0] = 1.0
    wild[..., 1, 0] = -1.0
    wild[0, 0] *= 1e9
    collector.add(wild, np.ones((2, 3)), np.ones((2, 3, 2), bool))
    new_map, _ = collector.update(identity_map(3), means)
    assert np.linalg.cond(matrix_of(new_map)) < 1.2


@pytest.mark.parametrize("name", ADAPTATIONS)
def test_nothing_collected_changes_nothing(name):
    collector = ADAPTATIONS[name].collector()
    gradients = np.zeros((1, 2, 2, 3))
    collector.add(gradients, np.ones((1, 2)), np.zeros((1, 2, 2), bool))
    collector.add(gradients, np.ones((1, 2)), np.ones((1, 2, 2), bool))
    affine_map, means = identity_map(3), np.ones((1, 2, 3))
    same, carried = collector.update(affine_map, means)
    assert same is affine_map
    np.testing.assert_array_equal(carried, means)


def test_a_low_rank_map_cannot_adapt_by_coordinate():
    truth = gaussian(np.zeros(3), np.diag([1.0, 4.0, 9.0]))
    low_rank = AffineMap(
        center=np.zeros(3), scale=np.ones(3), vectors=np.eye(3)[:, :1], values=np.array([2.0])
    )
    collector, means = collect(AdaptDiagonal(), truth, low_rank, 10)
    with pytest.raises(OptionError, match="low-rank"):
        collector.update(low_rank, means)


def test_one_sample_shows_no_spread():
    with pytest.raises(OptionError, match="raise num_samples"):
        AdaptDense().collector().add(
            np.ones((1, 2, 1, 3)), np.ones((1, 2)), np.ones((1, 2, 1), bool)
        )
