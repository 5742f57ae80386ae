"""The exact marginals of the transformed scalars: moments and quantiles fit together."""

import numpy as np
import pytest

from benchmarks.metrics import LEVELS
from benchmarks.transformed_scalars import cases, errors, table

CASES = cases()
NUM_DRAWS = 40_000


@pytest.mark.long
@pytest.mark.parametrize("name", CASES)
def test_moments_are_those_of_the_quantiles(name):
    """Midpoints of equal probability: the moments of a light tail have no other error."""
    levels = (np.arange(NUM_DRAWS) + 0.5) / NUM_DRAWS
    for marginal in CASES[name].marginals.values():
        x, (mean, sd) = marginal.ppf(levels), marginal.moments()
        assert np.all(np.diff(x) >= 0)
        np.testing.assert_allclose(
            np.quantile(x, LEVELS), marginal.ppf(LEVELS), rtol=1e-3, atol=1e-9
        )
        if marginal.has_mean:
            assert abs(x.mean() - mean) < 0.01 * sd
        if marginal.has_sd:
            # The far tails beyond the last midpoints hold some of the variance.
            assert -0.1 < np.log(x.std() / sd) < 1e-3


def test_errors_are_in_sds():
    marginal = CASES["exponential"].marginals["x", ()]
    mean, log_sd, quantiles = errors(
        10.0 + 2.0 * marginal.ppf(np.linspace(0, 1, 999)[1:-1]), marginal
    )
    assert mean == pytest.approx(2.0, abs=0.02)
    assert log_sd == pytest.approx(np.log(2.0), abs=0.02)
    assert quantiles == pytest.approx(1.0 + 2.9957, abs=0.05)


@pytest.mark.long
def test_a_table_shows_the_worst_seed():
    row = {
        "model": "exponential",
        "mean": [0.01],
        "log_sd": [0.02],
        "quantiles": [0.03],
        "verdict": "good",
        "gradients": 100,
        "seconds": 1.0,
    }
    worse = {**row, "log_sd": [0.5], "verdict": "refined"}
    text = table([row, worse], [row])
    assert "| 0.500 | 0.020 |" in text
    assert "good, refined | good" in text
