"""Statistics of coordinates in blocks, in double precision."""

import numpy as np
import pytest

from isogmm.draws import blocks


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_statistics_are_those_of_double_precision(dtype):
    # In single precision the sum of 4,000 values near 1,000 has an error of about their sd.
    draws = np.random.default_rng(0).normal(1000.0, 0.01, (4, 1000, 130)).astype(dtype)
    flat = draws.reshape(-1, 130).astype(np.float64)
    # The same sums in another order, of values that are 1e5 sds away from zero.
    rtol = 1e-9
    np.testing.assert_allclose(blocks.means(draws), flat.mean(axis=0), rtol=rtol)
    np.testing.assert_allclose(blocks.sds(draws), flat.std(axis=0), rtol=1e5 * rtol)
    np.testing.assert_array_equal(blocks.medians(draws), np.median(flat, axis=0))


def test_a_constant_coordinate_has_a_positive_sd():
    assert np.all(blocks.sds(np.ones((5, 3))) > 0.0)
