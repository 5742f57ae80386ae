"""Points around a Gaussian, and the choice of those from which paths start."""

import numpy as np
import pytest

from isogmm.locate.gaussian.factors import map_of
from isogmm.locate.modes.screening import (
    MAX_RADIUS_FACTOR,
    MAX_SPARSE_RADIUS_FACTOR,
    MIN_RADIUS,
    NARROW_RADII,
    PERIOD,
    choose_starts,
    excess,
    points_around,
)
from isogmm.locate.paths.mode_shape import ModeShape

MEAN, FACTOR = np.array([1.0, -2.0, 3.0]), np.array([[2.0, 0, 0], [1.0, 0.1, 0], [0, 30.0, 50.0]])
OWN = map_of(MEAN, FACTOR)


def gradients_of(affine_map, points, variance=1.0):
    """Scores of a Gaussian with these coordinates."""
    return affine_map.pull_back_inverse(-affine_map.inverse(points) / variance)


def test_radii_and_directions_of_the_points():
    count = 9_000
    points = points_around(OWN, np.random.default_rng(0), count)
    index = np.arange(count)
    is_sparse, is_wide = index % PERIOD == 0, index // PERIOD % PERIOD == 0
    sphere = np.linalg.norm(OWN.inverse(points), axis=1)
    sds = np.sqrt((FACTOR**2).sum(axis=1))
    sparse = np.linalg.norm((points - MEAN) / sds, axis=1)
    root = np.sqrt(3)
    for radii, low, high in (
        (sphere[~is_sparse & ~is_wide], *NARROW_RADII),
        (sphere[~is_sparse & is_wide], MIN_RADIUS, MAX_RADIUS_FACTOR * root),
        (sparse[is_sparse & ~is_wide], *NARROW_RADII),
        (sparse[is_sparse & is_wide], MIN_RADIUS, MAX_SPARSE_RADIUS_FACTOR * root),
    ):
        levels = np.sort(np.log(radii / low) / np.log(high / low))
        assert levels[0] >= -1e-9
        assert levels[-1] <= 1 + 1e-9
        # Kolmogorov's distance to the uniform distribution; 1.95 / sqrt(n) has level 0.001.
        distance = np.abs(levels - (np.arange(len(levels)) + 0.5) / len(levels)).max()
        assert distance < 1.95 / np.sqrt(len(levels))
    num_moved = ((points - MEAN)[is_sparse] != 0).sum(axis=1)
    assert set(num_moved) == {1, 2, 3}
    directions = OWN.inverse(points[~is_sparse]) / sphere[~is_sparse, None]
    np.testing.assert_allclose(directions.mean(axis=0), 0.0, atol=5 / np.sqrt(3 * 6_000))


def test_the_excess_is_zero_in_one_mode_and_large_in_another():
    points = points_around(OWN, np.random.default_rng(3), 2_000)
    log_density = -0.5 * (OWN.inverse(points) ** 2).sum(axis=1)
    assert np.abs(excess(OWN, points, log_density)).max() < 0.5
    log_density[7] = -0.01
    found = excess(OWN, points, log_density)
    assert found.argmax() == 7
    assert found[7] > 1.0


@pytest.mark.parametrize("scale", [1.0, 1e-3, 1e3])
def test_points_in_a_narrow_second_mode_are_chosen(scale):
    """A mode with half the sd, which one point in 100 to 1,000 reaches; in any units."""
    generator = np.random.default_rng(4)
    own, other = (
        map_of(np.zeros(5), scale * np.eye(5)),
        map_of(scale * np.array([8.0, 0, 0, 0, 0]), 0.5 * scale * np.eye(5)),
    )
    points = points_around(own, generator, 4_096)
    logs = [-0.5 * (m.inverse(points) ** 2).sum(axis=1) - m.log_det() for m in (own, other)]
    is_other = logs[1] > logs[0]
    assert 4 < is_other.sum() < 400
    gradients = np.where(is_other[:, None], gradients_of(other, points), gradients_of(own, points))
    shape = ModeShape(own, 0.0, np.zeros((0, 5)))
    index = choose_starts([shape], shape, points, np.maximum(*logs), gradients, 32, generator)
    assert len(index) == len(set(index)) == 32
    assert is_other[index].sum() >= min(8, is_other.sum())


def test_points_without_a_finite_log_density_are_left_out():
    generator = np.random.default_rng(5)
    points = points_around(OWN, generator, 100)
    log_density = np.where(np.arange(100) < 90, -np.inf, 0.0)
    shape = ModeShape(OWN, 0.0, np.zeros((0, 3)))
    gradients = gradients_of(OWN, points)
    index = choose_starts([shape], shape, points, log_density, gradients, 32, generator)
    assert sorted(index) == list(range(90, 100))
