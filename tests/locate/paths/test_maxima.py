"""Which ends of optimization paths count as local maxima."""

import warnings
from dataclasses import replace

import numpy as np
import pytest

import isogmm
from helpers.targets import make_target
from isogmm.locate.paths.candidates import candidate_of
from isogmm.locate.paths.lbfgs import MAX_KEPT_LARGE, Path, _Objective, follow_paths
from isogmm.locate.paths.maxima import LocalMaximum, add_paths
from isogmm.mixtures.affine_map import MAX_DENSE_DIM, AffineMap

CENTER = 0.14
#: One unit in the last place of the center, in single precision.
UNIT = float(np.spacing(np.float32(CENTER)))


def narrow_gaussian(sd):
    """A Gaussian whose coordinates have a large common error, and differences with this sd."""

    def log_density(x):
        mean, difference = 0.5 * (x[0] + x[1]) - CENTER, 0.5 * (x[0] - x[1])
        return -0.5 * mean**2 - 0.5 * (difference / sd) ** 2

    model = isogmm.LogDensity(log_density, np.zeros(2), names="x")
    return model.to_target()


@pytest.mark.parametrize(("units", "is_found"), [(0.5, False), (20.0, True)])
def test_a_maximum_is_wider_than_the_rounding_errors_of_positions(units, is_found):
    # The model computes in double precision, so that the path converges in both cases.
    target = replace(narrow_gaussian(units * UNIT), single_precision=True)
    (path,) = follow_paths(target, np.array([[CENTER + 0.1, CENTER + 0.1]]))
    maxima: list[LocalMaximum] = []
    add_paths(target, maxima, [path])
    assert len(maxima) == is_found


def test_double_precision_has_smaller_rounding_errors():
    target = narrow_gaussian(0.5 * UNIT)
    (path,) = follow_paths(target, np.array([[CENTER + 0.1, CENTER + 0.1]]))
    maxima: list[LocalMaximum] = []
    add_paths(target, maxima, [path])
    assert len(maxima) == 1


def ended_at(target, ends):
    """Paths that stopped at these points."""
    log_density, gradients = target.evaluate(ends)
    return [
        Path(end[None], value[None], gradient[None], converged=False)
        for end, value, gradient in zip(ends, log_density, gradients, strict=True)
    ]


DIM, SD = MAX_DENSE_DIM + 100, 20.0


def correlated(x):
    """A Gaussian with the standard deviation 20 in one direction and 1 in all others."""
    along = x.mean(axis=1, keepdims=True)
    gradients = (1.0 - 1.0 / SD**2) * along - x
    return 0.5 * (x * gradients).sum(axis=1), gradients


def test_ends_in_a_wide_direction_are_one_mode():
    target = make_target(correlated, DIM, 32)
    ends = np.array([[2.0], [-1.0], [0.5]]) * SD / np.sqrt(DIM) * np.ones(DIM)
    maxima = []
    add_paths(target, maxima, ended_at(target, ends))
    assert [maximum.count for maximum in maxima] == [3]
    # The highest of them is kept, with its Laplace approximation.
    assert np.array_equal(maxima[0].position, ends[2])
    assert maxima[0].log_density == correlated(ends[2:])[0][0]


def test_modes_with_a_dip_between_them_stay_separate():
    def two(x):
        near = np.array([correlated(x - side * 4.0 * AXIS)[0] for side in (-1, 1)])
        shares = np.exp(near - np.logaddexp(*near))
        gradients = [correlated(x - side * 4.0 * AXIS)[1] for side in (-1, 1)]
        return np.logaddexp(*near), sum(
            s[:, None] * g for s, g in zip(shares, gradients, strict=True)
        )

    target = make_target(two, DIM, 32)
    maxima = []
    add_paths(target, maxima, ended_at(target, 4.0 * np.array([AXIS, -AXIS])))
    assert len(maxima) == 2


#: A direction of standard deviation 1.
AXIS = np.r_[1.0, -1.0, np.zeros(DIM - 2)] / np.sqrt(2.0)


def test_the_end_of_a_path_in_many_dimensions_has_unit_scales():
    position = np.zeros((1, MAX_DENSE_DIM + 1))
    found = candidate_of(Path(position, np.zeros(1), position, False))
    np.testing.assert_array_equal(found.factor, 1.0)


def test_iterates_in_many_dimensions_are_thinned_evenly():
    steps = np.ones(MAX_DENSE_DIM + 1)
    objective = _Objective(0.0 * steps, None, None, lambda x: (-0.5 * x @ x, -x))
    for count in range(1, 1_001):
        objective.accept(count * steps)
    numbers = np.array(objective.accepted)[:, 0]
    assert MAX_KEPT_LARGE // 2 <= len(numbers) <= MAX_KEPT_LARGE + 1
    assert (numbers[0], numbers[-1]) == (0.0, 1_000.0)
    assert len(set(np.diff(numbers)[:-1])) == 1


def test_a_gradient_that_overflows_gives_no_warning_of_numpy():
    affine_map = AffineMap(np.zeros(2), np.ones(2), factor=np.array([[4.0, 0.0], [4.0, 4.0]]))
    objective = _Objective(np.zeros(2), None, affine_map, lambda x: (0.0, np.full(2, 1e308)))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        _, gradient = objective(np.ones(2))
    assert np.isinf(gradient).all()
