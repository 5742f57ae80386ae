"""Whitening from the Hessian at a point."""

import numpy as np
import pytest

from helpers.targets import correlated_gaussian, gaussian, make_target, nowhere
from isogmm.errors import OptionError
from isogmm.locate.gaussian.curvature import (
    dense_at,
    diagonal_at,
    gradient_changes,
    hessian_at,
    positive_inverse,
)
from isogmm.model.fit_target import FitTarget


@pytest.mark.parametrize("dim", [1, 2, 7])
def test_the_hessian_of_a_gaussian_is_its_precision(dim):
    truth = correlated_gaussian(dim, 100.0) if dim > 1 else gaussian([0.5], [[4.0]])
    hessian = hessian_at(truth.target(), np.full(dim, 0.3))
    np.testing.assert_allclose(hessian, truth.precisions[0], rtol=1e-8, atol=1e-8)


def test_scales_that_differ_by_millions_keep_their_digits():
    scales = np.array([1e-3, 1.0, 1e4])
    correlation = np.array([[1.0, 0.5, 0.2], [0.5, 1.0, -0.3], [0.2, -0.3, 1.0]])
    truth = gaussian([0.0, 1.0, 5000.0], correlation * np.outer(scales, scales))
    covariance = positive_inverse(hessian_at(truth.target(), truth.means[0]))
    np.testing.assert_allclose(covariance / np.outer(scales, scales), correlation, atol=1e-6)


def test_the_dense_map_whitens_and_the_diagonal_one_has_the_marginal_scales():
    truth = correlated_gaussian(4, 50.0)
    point = truth.means[0]
    dense, diagonal = dense_at(truth.target(), point), diagonal_at(truth.target(), point)
    np.testing.assert_allclose(dense.factor @ dense.factor.T, truth.covariances[0], rtol=1e-6)
    np.testing.assert_allclose(diagonal.scale, np.sqrt(np.diag(truth.covariances[0])), rtol=1e-6)
    for affine_map in (dense, diagonal):
        np.testing.assert_array_equal(affine_map.center, point)


def test_evaluations_are_counted_four_a_coordinate():
    target = FitTarget.of(correlated_gaussian(6).target())
    hessian_at(target, np.zeros(6))
    assert target.num_gradient_evaluations == 1 + 4 * 6


def test_negative_and_zero_curvature_become_positive():
    hessian = np.diag([4.0, -9.0, 0.0])
    np.testing.assert_allclose(positive_inverse(hessian), np.diag([0.25, 1 / 9, 1e8]), rtol=1e-9)
    saddle = np.array([[1.0, 3.0], [3.0, 1.0]])
    values = np.linalg.eigvalsh(positive_inverse(saddle))
    np.testing.assert_allclose(values, [0.25, 0.5], rtol=1e-12)


def test_changes_of_the_gradient_are_products_with_the_hessian():
    truth = correlated_gaussian(4)
    shifts = np.random.default_rng(0).normal(size=(3, 4))
    changes = gradient_changes(truth.target(), np.full(4, 0.3), shifts)
    np.testing.assert_allclose(changes.values, 2.0 * shifts @ truth.precisions[0], rtol=1e-9)
    np.testing.assert_array_equal(changes.num_finite, [2, 2, 2])


def test_differences_at_an_edge_of_the_support_are_one_sided():
    def evaluate(points):
        values = -0.5 * (points**2 * np.array([4.0, 1.0])).sum(-1)
        return np.where(points[:, 0] >= 0, values, -np.inf), -points * np.array([4.0, 1.0])

    hessian = hessian_at(make_target(evaluate, 2), np.array([0.0, 0.5]))
    np.testing.assert_allclose(hessian, np.diag([4.0, 1.0]), atol=1e-6)


def test_a_point_without_a_density_is_refused():
    with pytest.raises(OptionError, match="give another point"):
        dense_at(nowhere(3), np.zeros(3))
