"""Components that are split in two."""

import numpy as np
import pytest

from isogmm.draws.pool import Pool
from isogmm.mixtures.isotropic import IsotropicMixture
from isogmm.recipe.families.isotropic.growth import SHIFT_SD, split_worst

pytestmark = pytest.mark.usefixtures("unchecked")


def test_the_halves_of_the_worst_component_replace_it():
    """Weights and means of the mixture stay, and the variance along the shift."""
    generator = np.random.default_rng(0)
    means = np.array([[[0.0, 0.0], [9.0, 0.0]], [[1.0, 2.0], [-9.0, 0.0]]])
    variances = np.array([[1.0, 4.0], [2.0, 0.25]])
    mixture = IsotropicMixture(means, variances, np.log([[0.25, 0.75], [0.5, 0.5]]))
    positions, components = mixture.sample(generator, 200)
    # The log ratio varies along the second coordinate, in the second component only.
    log_density = np.where(components == 1, 3.0 * positions[..., 1], 0.0)
    zero = np.zeros(components.shape)
    found = split_worst(mixture, Pool(positions, components, log_density, zero, zero))
    assert found.means.shape == (2, 3, 2)
    np.testing.assert_allclose(np.exp(found.log_weights).sum(axis=1), 1.0)
    np.testing.assert_allclose(np.exp(found.log_weights[:, 1:]), [[0.375] * 2, [0.25] * 2])
    for chain in range(2):
        np.testing.assert_allclose(found[chain].mean(), mixture[chain].mean(), atol=1e-12)
        halves = found.means[chain, 1:]
        shift = (halves[0] - halves[1]) / 2.0
        length = SHIFT_SD * np.sqrt(variances[chain, 1])
        np.testing.assert_allclose(np.linalg.norm(shift), length)
        assert abs(shift[1]) > 0.9 * length
        along = found.variances[chain, 1] + length**2
        np.testing.assert_allclose(along, variances[chain, 1])
    np.testing.assert_array_equal(found.means[:, 0], means[:, 0])
