"""Locate: shifted and badly scaled targets, number of modes, starts without a density."""

import itertools
from types import SimpleNamespace

import numpy as np
import pytest

from helpers.targets import (
    correlated_gaussian,
    gaussian,
    isotropic_mixture,
    make_target,
    nowhere,
    rotation,
)
from isogmm.errors import DeadlineReachedError, ModelError
from isogmm.locate.gaussian.curvature import laplace_factor
from isogmm.locate.gaussian.factors import factor_of
from isogmm.locate.locate import Locate, locate
from isogmm.locate.located import Located
from isogmm.locate.paths.candidates import Candidate, Place
from isogmm.locate.paths.lbfgs import Path, follow_paths
from isogmm.locate.paths.maxima import LocalMaximum, add_paths, unseen_probability
from isogmm.locate.paths.starts import NUM_FIRST, follow_starts
from isogmm.model import fit_target, time_limit
from isogmm.model.fit_target import FitTarget
from isogmm.results.stop_reason import StopReason

pytestmark = pytest.mark.usefixtures("unchecked")


def located(truth, seed=0, **options):
    return locate(truth.target(), np.random.default_rng(seed), Locate(**options))


def test_a_shifted_and_badly_scaled_gaussian_is_found():
    scales = np.array([0.01, 1.0, 300.0])
    truth = gaussian([5.0, -40.0, 2000.0], np.diag(scales**2))
    found = located(truth)
    assert len(found.means) == 1
    # Normalized: the ELBO of the exact Gaussian is 0.
    assert abs(found.elbo) < 0.05 + 5 * found.elbo_se
    shift = (found.means[0] - truth.means[0]) / scales
    assert np.abs(shift).max() < 0.1
    covariance = found.factors[0] @ found.factors[0].T / np.outer(scales, scales)
    np.testing.assert_allclose(covariance, np.eye(3), atol=0.1)
    assert found.num_starts_without_path == 0


def test_correlations_are_found():
    axes = rotation(np.random.default_rng(1), 6)
    truth = gaussian(np.linspace(-3, 3, 6), (axes * np.geomspace(1e-4, 1, 6)) @ axes.T)
    found = located(truth)
    assert abs(found.elbo) < 0.05 + 5 * found.elbo_se
    whitened = np.linalg.solve(np.linalg.cholesky(truth.covariances[0]), found.factors[0])
    np.testing.assert_allclose(whitened @ whitened.T, np.eye(6), atol=0.15)


def test_two_modes_are_counted_and_weighed():
    truth = isotropic_mixture([[-4.0, 0.0], [4.0, 1.0]], [1.0, 0.25], [0.3, 0.7])
    found = located(truth, max_starts=256)
    assert len(found.means) == 2
    # Best first.
    np.testing.assert_allclose(found.means, truth.means[::-1], atol=0.2)
    np.testing.assert_allclose(np.exp(found.log_masses), [0.7, 0.3], atol=0.05)
    assert found.unseen < 0.02


def test_one_mode_is_not_split():
    # Two components that overlap have one maximum.
    truth = isotropic_mixture([[-0.5, 0.0], [0.5, 0.0]], [1.0, 1.0])
    assert len(located(truth).means) == 1


def test_starts_without_a_density_are_counted():
    truth = gaussian(np.ones(2), 0.1 * np.eye(2))

    def cut(points):
        values, gradients = truth.log_density_and_gradient(points)
        return np.where(points[:, 0] > 0, values, -np.inf), gradients

    found = locate(make_target(cut, 2), np.random.default_rng(0))
    assert found.num_starts_without_path > 0
    np.testing.assert_allclose(found.means[0], 1.0, atol=0.1)


def test_no_start_with_a_density_is_an_error_that_names_the_coordinates():
    with pytest.raises(ModelError, match=r"starting points \(coordinates x\[0\], x\[1\]"):
        locate(nowhere(2), np.random.default_rng(0))


def test_same_seed_same_place():
    truth = isotropic_mixture([[-4.0, 0.0], [4.0, 1.0]], [1.0, 0.25])
    one, two = (located(truth, seed=3, max_starts=32) for _ in range(2))
    np.testing.assert_array_equal(one.means, two.means)


def test_a_path_ends_at_the_maximum_with_its_curvature():
    axes = rotation(np.random.default_rng(2), 4)
    truth = gaussian(np.arange(4.0), (axes * [0.1, 0.5, 1.0, 3.0]) @ axes.T)
    (path,) = follow_paths(truth.target(), np.full((1, 4), -2.0))
    assert path.converged
    np.testing.assert_allclose(path.end, truth.means[0], atol=1e-4)
    np.testing.assert_array_equal(path.positions[0], np.full(4, -2.0))
    assert path.log_density[-1] > path.log_density[0]
    estimate = path.inverse_hessian(len(path.positions) - 1)
    assert np.linalg.eigvalsh(estimate).min() > 0
    np.testing.assert_allclose(estimate, truth.covariances[0], atol=0.3)
    factor = factor_of(estimate)
    np.testing.assert_allclose(factor @ factor.T, estimate, atol=1e-10)
    assert np.all(np.diag(factor) > 0)


def test_paths_end_where_others_ended():
    target = correlated_gaussian(12, 30.0).target()
    starts = np.random.default_rng(0).uniform(-2, 2, (10, 12))
    to_the_end = follow_paths(target, starts)
    maxima = []
    paths = follow_starts(target, starts, maxima)
    (maximum,) = maxima
    assert maximum.count == len(starts)
    assert all(path.converged for path in paths)
    for path, whole in zip(paths[NUM_FIRST:], to_the_end[NUM_FIRST:], strict=True):
        assert maximum.is_near(path.end, path.log_density[-1])
        assert not maximum.is_near(path.positions[-2], path.log_density[-2])
        assert len(path.positions) < len(whole.positions)
        # The same path up to its end.
        shared = whole.positions[: len(path.positions)]
        np.testing.assert_allclose(path.positions, shared, rtol=0, atol=1e-9)


def test_paths_do_not_end_below_a_higher_maximum():
    """An iterate above a known maximum leads to another one, however near it is."""
    known = LocalMaximum(np.zeros(2), np.eye(2), log_density=-3.0, laplace=-3.0)
    assert known.is_near(np.array([0.5, 0.5]), -3.2)
    assert not known.is_near(np.array([0.5, 0.5]), -2.9)
    assert not known.is_near(np.array([0.5, 0.5]), -4.1)
    assert not known.is_near(np.array([0.9, 0.9]), -3.2)


def test_a_path_that_stopped_on_a_ridge_goes_on_in_the_coordinates_of_the_ridge():
    """Intercept and slope of a regression on years: 30 long, a ten thousandth wide."""
    axes, scales = rotation(np.random.default_rng(3), 2), np.array([1e-4, 30.0])
    truth = gaussian(np.zeros(2), (axes * scales**2) @ axes.T)
    stopped = 2.0 * scales[1] * axes[:, 1]
    positions = np.stack([stopped + 3e-4 * axes[:, 0], stopped])
    values, gradients = truth.log_density_and_gradient(positions)
    path = Path(positions, values, gradients, converged=True)
    # The path contains the width of the ridge only.
    np.testing.assert_allclose(path.end_factor(), 1e-4 * np.eye(2), rtol=1e-3, atol=1e-7)
    factor = laplace_factor(truth.target(), stopped, path.end_factor())
    lengths = np.linalg.norm(np.linalg.solve(factor, axes * scales), axis=0)
    np.testing.assert_allclose(lengths, 1.0, rtol=0.05)
    maxima = []
    add_paths(truth.target(), maxima, [path])
    # The maximum is at zero, two standard deviations along the ridge from the end of the path.
    np.testing.assert_allclose(maxima[0].position @ axes / scales, 0.0, atol=0.01)


def test_paths_that_stopped_on_two_ridges_go_on_together(monkeypatch):
    """Two paths stopped on one ridge and one on another; one of each ridge goes on."""
    axes, scales = rotation(np.random.default_rng(3), 2), np.array([1e-4, 30.0])
    covariance, centers = (axes * scales**2) @ axes.T, np.array([[0.0, 0.0], [900.0, 900.0]])
    parts = [gaussian(center, covariance) for center in centers]

    def log_density_and_gradient(x):
        values, gradients = zip(*(part.log_density_and_gradient(x) for part in parts), strict=True)
        share = np.exp(values[0] - np.logaddexp(*values))[..., None]
        return np.logaddexp(*values), share * gradients[0] + (1.0 - share) * gradients[1]

    stops = np.array([1.5, 1.0, 2.0])[:, None] * scales[1] * axes[:, 1] + centers[[0, 0, 1]]
    paths = []
    for stop in stops:
        positions = np.stack([stop + 3e-4 * axes[:, 0], stop])
        paths.append(Path(positions, *log_density_and_gradient(positions), converged=True))
    followed = []

    def counted(target, starts, *arguments, **options):
        followed.append(starts)
        return follow_paths(target, starts, *arguments, **options)

    monkeypatch.setattr("isogmm.locate.paths.maxima.follow_paths", counted)
    maxima: list[LocalMaximum] = []
    add_paths(make_target(log_density_and_gradient, 2), maxima, paths)
    np.testing.assert_array_equal(np.concatenate(followed), stops[[0, 2]])
    assert len(followed) == 1
    assert [maximum.count for maximum in maxima] == [2, 1]
    shifts = np.stack([maximum.position for maximum in maxima]) - centers
    np.testing.assert_allclose(shifts @ axes / scales, 0.0, atol=0.02)


def test_an_end_with_a_large_gradient_is_no_maximum():
    """The path along an exponential slope ends where the evaluations do."""
    slope = make_target(lambda x: (x[..., 0], np.ones_like(x)), 1)
    positions = np.array([[0.0], [1.0]])
    path = Path(positions, positions[:, 0], np.ones((2, 1)), converged=True)
    maxima = []
    add_paths(slope, maxima, [path])
    assert maxima == []


def test_a_path_from_nowhere_is_none():
    assert follow_paths(nowhere(2), np.zeros((3, 2))) == [None] * 3


def test_good_turing():
    def maximum(count):
        return LocalMaximum(np.zeros(1), np.eye(1), 0.0, 0.0, count=count)

    assert unseen_probability([maximum(8), maximum(1), maximum(1)]) == pytest.approx(0.2)
    assert unseen_probability([maximum(8), maximum(2)]) == 0.0
    assert unseen_probability([]) == 0.0


def test_a_curvature_estimate_of_rounding_errors_has_a_factor_without_a_warning():
    covariance = np.array([[1.0, 1e-3], [1e-3, -1e-320]])
    factor = factor_of(covariance)
    assert np.all(np.isfinite(factor))
    assert np.all(np.diag(factor) > 0)


def test_a_curvature_estimate_without_a_positive_variance_has_the_factor_of_unit_scales():
    """Rounding errors produced such an estimate near scale zero of the eight schools."""
    direction = np.array([1.0, -12.0, 1.0])
    estimate = -2e6 * np.outer(direction, direction)
    with np.errstate(all="raise"):
        np.testing.assert_array_equal(factor_of(estimate), np.eye(3))


def test_a_time_limit_before_the_first_path_leaves_one_path(monkeypatch):
    # A clock that advances by 0.1 ms whenever it is read: a busy machine could stop the process for
    # longer than the time that the path may take.
    clock = itertools.count()
    for module in (fit_target, time_limit):
        replaced = SimpleNamespace(perf_counter=lambda: 1e-4 * next(clock))
        monkeypatch.setattr(module, "time", replaced)
    truth = correlated_gaussian(3)
    target = FitTarget.of(truth.target(), max_seconds=0.0)
    found = locate(target, np.random.default_rng(0))
    assert found.stop_reason is StopReason.MAX_SECONDS
    assert found.origin == "end of the path"
    np.testing.assert_allclose(found.means, truth.means, atol=1e-3)
    covariance = found.factors[0] @ found.factors[0].T
    np.testing.assert_allclose(covariance, truth.covariances[0], rtol=1e-6, atol=1e-9)


def test_a_time_limit_without_any_path_is_passed_on():
    with pytest.raises(DeadlineReachedError):
        locate(FitTarget.of(nowhere(2), max_seconds=0.0), np.random.default_rng(0))


def test_an_interrupted_search_has_one_mode_of_one_path():
    candidate = Candidate(Place.END, np.zeros(2), np.eye(2))
    found = Located.interrupted(candidate, StopReason.MAX_SECONDS)
    assert found.mode_counts.tolist() == [1]
    assert sum(found.num_starts.values()) == 1
    assert (found.num_since_new, found.unseen_bound, found.masses.tolist()) == (0, 1.0, [1.0])
