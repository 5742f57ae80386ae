"""Which ends of optimization paths count as local maxima."""

from dataclasses import replace

import numpy as np
import pytest

import isogmm
from isogmm.locate.maxima import LocalMaximum, add_path
from isogmm.locate.paths import follow_paths

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
    assert add_path(target, maxima, path) is is_found
    assert len(maxima) == is_found


def test_double_precision_has_smaller_rounding_errors():
    target = narrow_gaussian(0.5 * UNIT)
    (path,) = follow_paths(target, np.array([[CENTER + 0.1, CENTER + 0.1]]))
    assert add_path(target, [], path)
