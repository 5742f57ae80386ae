"""Evaluation in chunks agrees with one evaluation, for one chain and for several."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from isogmm.mixtures import GaussianMixture, IsotropicMixture
from isogmm.mixtures import chunks as module
from isogmm.mixtures.affine_map import AffineMap, dense_map
from isogmm.mixtures.chunks import POINTS_PER_BLOCK, chunks_of, concatenate

DIM, COUNT, POINTS = 3, 4, 101
FAMILIES = ["isotropic", "full", "diagonal"]
#: Bounds with one point in a chunk, with a few, and with whole blocks.
BOUNDS = [1, 100, 600, 2_000]


def make(family, chains):
    generator = np.random.default_rng(0)
    means = generator.normal(size=(*chains, COUNT, DIM))
    log_weights = np.log(generator.dirichlet(np.ones(COUNT), size=chains))
    root = generator.normal(size=(DIM, DIM))
    affine_map = dense_map(generator.normal(size=DIM), root @ root.T + np.eye(DIM))
    variances = generator.uniform(0.3, 2.0, (*chains, COUNT))
    if family == "isotropic":
        return IsotropicMixture(means, variances, log_weights, affine_map)
    scales = variances[..., None] * generator.uniform(0.5, 1.5, means.shape)
    if family == "diagonal":
        return GaussianMixture(means, scales, log_weights, affine_map)
    roots = np.eye(DIM) + 0.3 * generator.normal(size=(*means.shape, DIM))
    return GaussianMixture(means, roots @ np.swapaxes(roots, -1, -2), log_weights, affine_map)


def everything(mixture, positions):
    return (
        mixture.log_prob(positions),
        mixture.score(positions),
        mixture.responsibilities(positions),
    )


@pytest.mark.parametrize("bound", BOUNDS)
@pytest.mark.parametrize("chains", [(), (3,)])
@pytest.mark.parametrize("family", FAMILIES)
def test_chunks_agree_with_one_evaluation(monkeypatch, family, chains, bound):
    mixture = make(family, chains)
    positions = np.random.default_rng(1).normal(size=(*chains, POINTS, DIM))
    whole = everything(mixture, positions)
    monkeypatch.setattr(module, "MAX_CHUNK_NUMBERS", bound)
    for found, expected in zip(everything(mixture, positions), whole, strict=True):
        assert found.shape == expected.shape
        np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("rows", [1, 10, POINTS])
@pytest.mark.parametrize("family", FAMILIES)
def test_coordinates_are_transformed_in_parts(monkeypatch, family, rows):
    """The map makes copies of its argument, which are as large as the draws of a fit."""
    mixture, sizes = make(family, ()), []
    positions = np.random.default_rng(3).normal(size=(POINTS, DIM))
    whole = mixture.log_prob(positions), mixture.most_responsible(positions)
    monkeypatch.setattr(module, "MAX_PART_NUMBERS", rows * DIM)
    original = AffineMap.inverse

    def inverse(self, part):
        sizes.append(len(part))
        return original(self, part)

    monkeypatch.setattr(AffineMap, "inverse", inverse)
    np.testing.assert_allclose(mixture.log_prob(positions), whole[0], rtol=1e-12)
    np.testing.assert_array_equal(mixture.most_responsible(positions), whole[1])
    assert max(sizes) == rows
    assert sum(sizes) == 2 * POINTS


@pytest.mark.parametrize("family", FAMILIES)
def test_chunks_of_several_chains_agree_with_each_chain(monkeypatch, family):
    mixture = make(family, (3,))
    positions = np.random.default_rng(2).normal(size=(3, POINTS, DIM))
    expected = [everything(mixture[chain], positions[chain]) for chain in range(3)]
    monkeypatch.setattr(module, "MAX_CHUNK_NUMBERS", 600)
    found = everything(mixture, positions)
    for chain in range(3):
        for ours, theirs in zip(found, expected[chain], strict=True):
            np.testing.assert_allclose(ours[chain], theirs, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_bound_counts_all_chains(monkeypatch, family):
    mixture = make(family, (3,))
    numbers = COUNT if family == "isotropic" else COUNT * DIM
    seen = []
    inner = type(mixture)._log_prob

    def recorded(self, points):
        seen.append(points.shape)
        return inner(self, points)

    monkeypatch.setattr(type(mixture), "_log_prob", recorded)
    monkeypatch.setattr(module, "MAX_CHUNK_NUMBERS", 600)
    mixture.log_prob(np.zeros((3, POINTS, DIM)))
    assert len(seen) > 1
    assert sum(shape[-2] for shape in seen) == POINTS
    assert all(shape[0] == 3 for shape in seen)
    assert all(3 * numbers * shape[-2] <= 600 for shape in seen)


@pytest.mark.parametrize("family", FAMILIES)
def test_chunks_on_jax(monkeypatch, family):
    mixture = make(family, (3,))
    positions = np.random.default_rng(3).normal(size=(3, POINTS, DIM))
    whole = mixture.log_prob(positions)
    monkeypatch.setattr(module, "MAX_CHUNK_NUMBERS", 600)
    there = mixture.mapped(jnp.asarray)
    with jax.numpy_rank_promotion("allow"):
        found = jax.jit(lambda x: there.log_prob(x))(jnp.asarray(positions))
    np.testing.assert_allclose(found, whole, rtol=1e-10)


@pytest.mark.parametrize("count", [0, 1, 15, 16, 33, 1_000])
@pytest.mark.parametrize("bound", [1, 7, 120, 2_000])
def test_chunks_are_consecutive_and_within_the_bound(monkeypatch, count, bound):
    monkeypatch.setattr(module, "MAX_CHUNK_NUMBERS", bound)
    points = np.arange(2.0 * count * DIM).reshape(2, count, DIM)
    found = chunks_of(points, 6)
    np.testing.assert_array_equal(concatenate(found, axis=-2), points)
    lengths = [chunk.shape[-2] for chunk in found]
    assert all(6 * length <= max(bound, 6) for length in lengths)
    if len(lengths) > 1 and lengths[0] > POINTS_PER_BLOCK:
        assert all(length % POINTS_PER_BLOCK == 0 for length in lengths[:-1])


def test_positions_below_the_bound_are_not_split():
    points = np.zeros((5, DIM))
    assert chunks_of(points, 4)[0] is points


def test_one_position_is_not_an_array_of_positions():
    mixture = make("isotropic", ())
    assert mixture.log_prob(np.zeros(DIM)).shape == ()
