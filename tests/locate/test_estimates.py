"""Ends of paths that are not maxima of their own."""

import numpy as np
import pytest

from helpers.targets import isotropic_mixture
from isogmm.locate.estimates import MIN_SLOPE_GAP, without_slopes
from isogmm.locate.maxima import LocalMaximum

pytestmark = pytest.mark.usefixtures("unchecked")

#: Two modes, 0.99 at the origin and 0.01 at a distance of 20.
MEANS = np.array([[0.0, 0.0], [20.0, 0.0]])
MIXTURE = isotropic_mixture(MEANS, np.ones(2), np.array([0.99, 0.01]))


def end_of_a_path(position, sd, count=1):
    """The Laplace estimate is that of a Gaussian with this standard deviation."""
    position = np.asarray(position, dtype=float)
    log_density = float(MIXTURE.log_density_and_gradient(position[None])[0][0])
    laplace = log_density + np.log(2 * np.pi) + 2 * np.log(sd)
    return LocalMaximum(position, sd * np.eye(2), log_density, laplace, count)


def test_ends_on_the_slope_of_a_known_mode_do_not_count():
    known = end_of_a_path(MEANS[0], 1.0, count=9)
    light = end_of_a_path(MEANS[1], 1.0)
    slope = end_of_a_path([1.5, 0.0], 0.1)
    assert max(light.laplace, slope.laplace) < known.laplace - MIN_SLOPE_GAP
    target, generator = MIXTURE.target(), np.random.default_rng(0)
    assert without_slopes(target, generator, [slope, light], [known]) == [light]
    # Several paths ended there, or the mode is not known.
    often = end_of_a_path([1.5, 0.0], 0.1, count=2)
    assert without_slopes(target, generator, [often], [known]) == [often]
    assert without_slopes(target, generator, [slope], [light]) == [slope]
    assert without_slopes(target, generator, [slope], []) == [slope]
