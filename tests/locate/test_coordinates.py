"""The affine map that the search returns."""

import numpy as np

from isogmm.locate.coordinates import within_mode_map
from isogmm.locate.gaussian.factors import map_of


def test_a_covariance_without_an_inverse_leaves_its_scales():
    factor = np.array([[3.0, 0.0], [3.0, 1e-17]])
    affine_map = within_mode_map(np.zeros((1, 2)), factor[None], np.ones(1))
    assert affine_map.kind == "diagonal"
    np.testing.assert_allclose(affine_map.scale, [3.0, 3.0])


def test_a_singular_factor_leaves_its_standard_deviations():
    factor = np.array([[3.0, 0.0], [4.0, 0.0]])
    found = map_of(np.ones(2), factor)
    assert found.factor is None
    np.testing.assert_array_equal(found.scale, [3.0, 4.0])
