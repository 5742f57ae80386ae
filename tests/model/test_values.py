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


def test_a_gradient_that_is_not_finite_is_a_point_without_density():
    def kink(points):
        """A square root, whose gradient at zero is infinite."""
        with np.errstate(divide="ignore"):
            return -np.sqrt(points).sum(axis=1), -0.5 / np.sqrt(points)

    values, gradients = make_target(kink, 2).evaluate(np.array([[1.0, 4.0], [0.0, 4.0]]))
    np.testing.assert_array_equal(values, [-3.0, -np.inf])
    np.testing.assert_array_equal(gradients, [[-0.5, -0.25], [0.0, 0.0]])
