"""Tests whether probability integral transforms are uniform, and the power of the tests."""

from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.optimize import brentq
from scipy.stats import cramervonmises, norm

#: Probability that the tests of all quantities together reject a correct fit.
LEVEL = 0.01
#: Power at which the smallest error that is detected is stated.
POWER = 0.8
#: Simulations from which the power is estimated: a standard error of 0.013.
POWER_SIMULATIONS = 1000
#: Largest shift, in posterior sds, and largest log ratio of sds that the search considers.
MAX_ERROR = 5.0


@dataclass(frozen=True)
class Uniformity:
    """Tests of one quantity.

    Parameters
    ----------
    p_location
        p value of the test that the PIT values are uniform (Cramér-von Mises), which is sensitive
        to the location of the posterior.
    p_scale
        The same for ``|2 u - 1|``, which is sensitive to its scale.
    """

    p_location: float
    p_scale: float

    @property
    def p_value(self) -> float:
        """The smaller one, corrected for two tests."""
        return min(1.0, 2.0 * min(self.p_location, self.p_scale))


def uniformity(pit: Float[np.ndarray, " n"]) -> Uniformity:
    """The tests of one quantity from its PIT values."""
    folded = np.abs(2.0 * pit - 1.0)
    return Uniformity(*(float(cramervonmises(u, "uniform").pvalue) for u in (pit, folded)))


def direction(pit: Float[np.ndarray, " n"]) -> str:
    """The error of the posterior that the PIT values show, in words.

    Both means are 1/2 with variance 1 / (12 n) if the fits are correct.
    """
    location, scale = pit.mean() - 0.5, np.abs(2.0 * pit - 1.0).mean() - 0.5
    if abs(location) > abs(scale):
        return "too high" if location < 0 else "too low"
    return "too narrow" if scale > 0 else "too wide"


@dataclass(frozen=True)
class Detectable:
    """The smallest errors that the tests detect with probability ``POWER``.

    Parameters
    ----------
    shift
        Error of a posterior mean, in posterior standard deviations; NaN if none is detected.
    ratio
        Factor by which a posterior standard deviation is too small; NaN if none is detected.
    """

    shift: float
    ratio: float


def detectable(n: int, num_quantities: int) -> Detectable:
    """The errors of a Gaussian posterior that ``n`` simulations detect.

    Parameters
    ----------
    n
        Number of simulations.
    num_quantities
        Number of quantities that are tested, among which one is wrong.
    """
    z = np.random.default_rng(0).normal(size=(POWER_SIMULATIONS, n))
    level = LEVEL / num_quantities / 2

    def excess(pit: Float[np.ndarray, "s n"]) -> float:
        return _share_below(level, pit, np.abs(2.0 * pit - 1.0)) - POWER

    def smallest(pit: Callable[[float], Float[np.ndarray, "s n"]]) -> float:
        if excess(pit(MAX_ERROR)) < 0:
            return float("nan")
        return float(brentq(lambda size: excess(pit(size)), 0.0, MAX_ERROR, xtol=0.01))

    return Detectable(
        smallest(lambda size: norm.cdf(z + size)),
        float(np.exp(smallest(lambda size: norm.cdf(z * np.exp(size))))),
    )


def _share_below(level: float, *samples: Float[np.ndarray, "s n"]) -> float:
    """Share of simulations in which the p value of a sample is below the level."""
    rejected = np.zeros(len(samples[0]), dtype=bool)
    for values in samples:
        n = values.shape[1]
        expected = (2.0 * np.arange(n) + 1.0) / (2.0 * n)
        order = np.argsort(((np.sort(values, axis=1) - expected) ** 2).sum(axis=1))
        # The p value decreases with the statistic, so that a few of them find the boundary.
        first = bisect_left(
            order,
            True,
            key=lambda row: float(cramervonmises(values[row], "uniform").pvalue) < level,
        )
        rejected[order[first:]] = True
    return float(rejected.mean())
