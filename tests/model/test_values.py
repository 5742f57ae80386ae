"""Values of many points, without their gradients."""

import tracemalloc

import numpy as np

from helpers.targets import make_target

DIM = 200


def half_line(points):
    """A normal distribution restricted to a positive first coordinate."""
    inside = points[:, 0] > 0
    values = np.where(inside, -0.5 * (points**2).sum(axis=1), np.nan)
    return values, -points


def test_values_are_those_of_an_evaluation_with_gradients():
    target, points = make_target(half_line, DIM), np.random.default_rng(0).normal(size=(300, DIM))
    values, gradients = target.evaluate(points)
    np.testing.assert_array_equal(target.values(points), values)
    assert np.isneginf(values).any()
    assert not gradients[np.isneginf(values)].any()


def test_the_gradients_of_all_points_are_not_kept():
    """With 100,000 parameters the gradients at 4,000 draws have 3.2 GB."""
    target, points = make_target(half_line, DIM), np.ones((50 * 128, DIM))
    tracemalloc.start()
    target.values(points)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < points.nbytes / 2
