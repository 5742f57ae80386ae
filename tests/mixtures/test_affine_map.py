"""The affine maps: inverse, gradients, determinants, in both precisions and both backends."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from helpers.tolerances import rounding
from isogmm.errors import OptionError
from isogmm.mixtures.affine_map import AffineMap, dense_map, diagonal_map, identity_map

DIM = 4
KINDS = ["identity", "diagonal", "dense", "low_rank"]


def make(kind):
    generator = np.random.default_rng(0)
    center, scale = generator.normal(size=DIM), generator.uniform(0.3, 3, DIM)
    root = generator.normal(size=(DIM, DIM)) + 2 * np.eye(DIM)
    return {
        "identity": identity_map(DIM),
        "diagonal": diagonal_map(center, scale),
        "dense": dense_map(center, root @ root.T),
        "low_rank": AffineMap(
            center=center,
            scale=scale,
            vectors=np.linalg.qr(generator.normal(size=(DIM, 2)))[0],
            values=np.array([3.0, 0.2]),
        ),
    }[kind]


def matrix_of(affine_map):
    return np.stack([affine_map.linear(row) for row in np.eye(DIM)], axis=1)


@pytest.mark.parametrize("kind", KINDS)
def test_operations_are_those_of_the_matrix(kind):
    affine_map, matrix = make(kind), matrix_of(make(kind))
    points = np.random.default_rng(1).normal(size=(2, 5, DIM))
    np.testing.assert_allclose(affine_map.forward(points), affine_map.center + points @ matrix.T)
    np.testing.assert_allclose(affine_map.inverse(affine_map.forward(points)), points, rtol=1e-10)
    np.testing.assert_allclose(affine_map.pull_back(points), points @ matrix, rtol=1e-10)
    np.testing.assert_allclose(
        affine_map.pull_back_inverse(affine_map.pull_back(points)), points, rtol=1e-10
    )
    np.testing.assert_allclose(affine_map.log_det(), np.log(abs(np.linalg.det(matrix))))
    rows = [affine_map.row_norm(coordinate) for coordinate in range(DIM)]
    np.testing.assert_allclose(rows, np.linalg.norm(matrix, axis=1), rtol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_pull_back_is_the_chain_rule(kind):
    affine_map = make(kind)
    weights = np.random.default_rng(2).normal(size=DIM)

    def composed(y):
        return jnp.sum(jnp.sin(jnp.asarray(weights) * jnp.asarray(matrix_of(affine_map)) @ y))

    point = np.random.default_rng(3).normal(size=DIM)
    with jax.numpy_rank_promotion("allow"):
        expected = jax.grad(composed)(jnp.asarray(point))
    inner = (weights * matrix_of(affine_map)) @ point
    outer = weights * 0 + np.cos(inner)
    scaled = (weights * matrix_of(affine_map)).T @ outer
    np.testing.assert_allclose(scaled, expected, rtol=1e-10)
    np.testing.assert_allclose(
        affine_map.pull_back(outer), matrix_of(affine_map).T @ outer, rtol=1e-10
    )


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("kind", KINDS)
def test_numpy_and_jax_agree(kind, dtype):
    names = ("center", "scale", "factor", "vectors", "values")
    parts = [getattr(make(kind), name) for name in names]
    parts = [None if part is None else part.astype(dtype) for part in parts]
    points = np.random.default_rng(4).normal(size=(6, DIM)).astype(dtype)

    def everything(parts, points):
        affine_map = AffineMap(*parts)
        forward = affine_map.forward(points)
        return forward, affine_map.inverse(forward), affine_map.pull_back(points)

    with jax.numpy_rank_promotion("allow"):
        theirs = jax.jit(everything)(
            [None if part is None else jnp.asarray(part) for part in parts], jnp.asarray(points)
        )
    for a, b in zip(everything(parts, points), theirs, strict=True):
        assert a.dtype == b.dtype == dtype
        np.testing.assert_allclose(a, b, rtol=rounding(dtype), atol=rounding(dtype))


@pytest.mark.parametrize(
    ("make_bad", "message"),
    [
        (lambda: diagonal_map(np.zeros(2), np.array([1.0, 0.0])), "scales must be positive"),
        (lambda: diagonal_map(np.array([np.nan, 0.0]), np.ones(2)), "center that are not finite"),
        (lambda: dense_map(np.zeros(2), np.ones((2, 2))), "not positive definite"),
        (
            lambda: AffineMap(np.zeros(2), np.ones(2), factor=np.array([[1.0, 1.0], [1.0, 1.0]])),
            "singular to working precision",
        ),
    ],
)
def test_singular_maps_are_refused(make_bad, message):
    with pytest.raises(OptionError, match=message):
        make_bad()


def test_unlike_scales_are_not_singular():
    scales = np.array([1e-12, 1.0, 1e12])
    axes = np.linalg.cholesky(np.array([[1.0, 0.9, 0.5], [0.9, 1.0, 0.6], [0.5, 0.6, 1.0]]))
    affine_map = AffineMap(np.zeros(3), np.ones(3), factor=scales[:, None] * axes)
    points = np.random.default_rng(0).normal(size=(5, 3))
    np.testing.assert_allclose(affine_map.inverse(affine_map.forward(points)), points, rtol=1e-9)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_nearly_singular_matrices_are_refused(dtype):
    def factor(gap):
        return np.array([[1.0, 1.0], [1.0, 1.0 + gap]], dtype)

    center = np.zeros(2, dtype)
    eps = np.finfo(dtype).eps
    assert AffineMap(center, center + 1, factor=factor(1e3 * eps)).kind == "dense"
    with pytest.raises(OptionError, match="singular to working precision"):
        AffineMap(center, center + 1, factor=factor(4 * eps))


@pytest.mark.float32
def test_dense_maps_keep_single_precision():
    affine_map = dense_map(np.ones(3, np.float32), np.diag([4.0, 1.0, 0.0001]).astype(np.float32))
    points = np.ones((2, 3), np.float32)
    for result in (
        affine_map.factor,
        affine_map.scale,
        affine_map.forward(points),
        affine_map.inverse(points),
        affine_map.pull_back_inverse(points),
    ):
        assert result.dtype == np.float32
