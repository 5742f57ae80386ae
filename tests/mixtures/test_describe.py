"""What mixtures show of themselves."""

import jax.numpy as jnp
import numpy as np
import pytest

from isogmm.errors import OptionError
from isogmm.mixtures.affine_map import AffineMap, dense_map
from isogmm.mixtures.factorized import FactorizedMixture
from isogmm.mixtures.factorized_chains import FactorizedChains
from isogmm.mixtures.gaussian import GaussianMixture
from isogmm.mixtures.isotropic import IsotropicMixture

CHAINS, COUNT, DIM = 4, 16, 30
MEANS = np.zeros((CHAINS, COUNT, DIM))
LOG_WEIGHTS = np.full((CHAINS, COUNT), -np.log(COUNT))
FACTORIZED = FactorizedMixture(
    np.zeros((COUNT, DIM), np.float32), np.ones((COUNT, DIM), np.float32)
)


@pytest.mark.parametrize(
    ("mixture", "text"),
    [
        (
            IsotropicMixture(MEANS, np.ones((CHAINS, COUNT)), LOG_WEIGHTS),
            "IsotropicMixture: 4 chains x 16 components in 30 dimensions, float64\n"
            "  isotropic covariances, diagonal affine map",
        ),
        (
            IsotropicMixture(
                jnp.zeros((1, 1)),
                jnp.ones(1),
                jnp.zeros(1),
                dense_map(np.zeros(1), np.ones((1, 1))),
            ),
            "IsotropicMixture: 1 component in 1 dimension, float64\n"
            "  isotropic covariances, dense affine map",
        ),
        (
            GaussianMixture(
                MEANS, np.broadcast_to(np.eye(DIM), (CHAINS, COUNT, DIM, DIM)), LOG_WEIGHTS
            ),
            "GaussianMixture: 4 chains x 16 components in 30 dimensions, float64\n"
            "  full covariances, diagonal affine map",
        ),
        (
            GaussianMixture(
                MEANS[0],
                np.ones((COUNT, DIM)),
                LOG_WEIGHTS[0],
                AffineMap(
                    np.zeros(DIM), np.ones(DIM), vectors=np.eye(DIM)[:, :2], values=np.ones(2)
                ),
            ),
            "GaussianMixture: 16 components in 30 dimensions, float64\n"
            "  diagonal covariances, diagonal affine map with 2 further directions",
        ),
        (
            FACTORIZED,
            "FactorizedMixture: 16 components in 30 dimensions, float32\n  independent coordinates",
        ),
        (
            FactorizedChains((FACTORIZED,) * 2),
            "FactorizedChains: 2 chains x 16 components in 30 dimensions, float32\n"
            "  independent coordinates",
        ),
    ],
    ids=lambda value: value.partition(":")[0] if isinstance(value, str) else "",
)
def test_mixtures_take_two_lines(mixture, text):
    assert repr(mixture) == str(mixture) == text


def test_the_map_takes_one_line():
    assert repr(AffineMap(np.zeros(3), np.ones(3))) == (
        "AffineMap: diagonal affine map in 3 dimensions"
    )


@pytest.mark.usefixtures("unchecked")
def test_a_number_of_draws_of_another_type():
    mixture = IsotropicMixture(MEANS, np.ones((CHAINS, COUNT)), LOG_WEIGHTS)
    with pytest.raises(OptionError, match="num_draws must be a whole number of at least 0, not"):
        mixture.sample(0, "10")
