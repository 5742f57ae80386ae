"""The tests of uniformity: level and power."""

import numpy as np
import pytest
from scipy.stats import binomtest, norm

from isogmm.studies.uniformity import (
    LEVEL,
    POWER,
    Uniformity,
    detectable,
    direction,
    uniformity,
)


def rejections(pit, level):
    return sum(uniformity(row).p_value < level for row in pit)


@pytest.mark.long
def test_the_level_holds():
    pit = np.random.default_rng(1).uniform(size=(400, 50))
    # The correction for two tests is conservative: at most the level, up to five standard errors.
    level = 0.2
    assert rejections(pit, level) < 400 * level + 5 * np.sqrt(400 * level * (1 - level))


@pytest.mark.long
@pytest.mark.parametrize("error", ["shift", "ratio"])
def test_the_power_is_the_stated_one(error):
    n, quantities = 60, 3
    stated = detectable(n, quantities)
    z = np.random.default_rng(2).normal(size=(400, n))
    pit = norm.cdf(z + stated.shift if error == "shift" else z * stated.ratio)
    found = rejections(pit, LEVEL / quantities)
    # Fresh simulations; five standard errors of these and of those in the search.
    spread = np.sqrt(POWER * (1 - POWER) * (1 / 400 + 1 / 1000))
    assert abs(found / 400 - POWER) < 5 * spread
    assert binomtest(found, 400).pvalue < 1e-3


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda z: z + 1, "too low"),
        (lambda z: z - 1, "too high"),
        (lambda z: 3 * z, "too narrow"),
        (lambda z: z / 3, "too wide"),
    ],
)
def test_the_direction_of_an_error(change, words):
    pit = norm.cdf(change(np.random.default_rng(3).normal(size=200)))
    assert direction(pit) == words


@pytest.mark.parametrize("power", [1.0, 0.5, 2.0])
def test_the_tests_of_location_and_scale(power):
    """Equidistant values, or such that are too low or too high, or too near to 1/2 or too far."""
    even = (np.arange(50) + 0.5) / 50
    low, near = even**power, 0.5 * even**power
    for pit, name in ((low, "p_location"), (np.append(0.5 - near, 0.5 + near), "p_scale")):
        found = getattr(uniformity(pit), name)
        assert (found > 0.99) == (power == 1.0)
        # Both tails have the same effect.
        assert getattr(uniformity(1.0 - pit), name) == pytest.approx(found)
    # All values are on one side of 1/2, but their distances from it are uniform.
    assert uniformity(0.5 * even).p_scale > 0.99


@pytest.mark.parametrize(("location", "scale"), [(0.01, 0.7), (0.7, 0.01)])
def test_the_smaller_p_value_counts_for_two_tests(location, scale):
    assert Uniformity(location, scale).p_value == 0.02
    assert Uniformity(0.8, 0.9).p_value == 1.0


def test_few_simulations_detect_nothing():
    assert np.isnan(detectable(2, 1000).shift)
