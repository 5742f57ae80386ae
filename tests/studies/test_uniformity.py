"""The tests of uniformity: level and power."""

import numpy as np
import pytest
from scipy.stats import binomtest, norm

from isogmm.studies.uniformity import LEVEL, POWER, detectable, direction, uniformity


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


def test_few_simulations_detect_nothing():
    assert np.isnan(detectable(2, 1000).shift)
