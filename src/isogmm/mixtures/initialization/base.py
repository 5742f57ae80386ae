"""Interface of the initializations, and the functions that they share."""

import abc

import numpy as np
from jaxtyping import Float

from isogmm.errors import OptionError
from isogmm.mixtures.affine_map import AffineMap
from isogmm.mixtures.isotropic import IsotropicMixture

#: Default share of the variance of a Gaussian that the means of several components carry.
MEANS_SHARE = 0.25


class AbstractInitialization(abc.ABC):
    """A rule that places the components of the mixture of every chain."""

    @abc.abstractmethod
    def initialize(
        self,
        generator: np.random.Generator,
        chains: int,
        num_components: int,
        affine_map: AffineMap,
    ) -> IsotropicMixture:
        """A mixture for each chain, with means of shape (c, k, d), in the coordinates of a map."""


def validate_sizes(chains: int, num_components: int) -> None:
    """Raise an error for fewer than one chain or component."""
    if num_components < 1:
        raise OptionError(f"num_components must be at least 1, not {num_components}")
    if chains < 1:
        raise OptionError(f"chains must be at least 1, not {chains}")


def uniform_log_weights(chains: int, num_components: int) -> Float[np.ndarray, "c k"]:
    """log 1/K for every component."""
    return np.full((chains, num_components), -np.log(num_components))
